/* SPDX-License-Identifier: Apache-2.0 */
/* The vde port: its options, start and end, see vde.h. Control thread. */
#include "vde.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file_access.h"
#include "types.h"
#include "workers.h"

struct vde_conf {
	char *sock, *group, *mode;
	uint32_t port;
};

#define OPT(name, k, ...)                                              \
	{                                                              \
		.key = #name, .kind = k,                               \
		.offset = offsetof(struct vde_conf, name), __VA_ARGS__ \
	}

static const struct opt_row vde_rows[] = {
	OPT(sock, OPT_STRING, .arg = "DIR",
	    .help = "folder of the switch, or a URL that vde_plug knows; none: "
		    "/run/vde.ctl, else /tmp/vde.ctl"),
	OPT(port, OPT_UINT, .arg = "N", .max = INT32_MAX >> 8, .def = "0",
	    .help = "port of the switch; 0: any"),
	OPT(group, OPT_PATH, .arg = "GROUP",
	    .help = "group that our data socket gets"),
	OPT(mode, OPT_PATH, .arg = "MODE", .def = "0700",
	    .help = "permissions of our data socket, octal; with 0 or without "
		    "rights for others a switch of another user gets them, "
		    "too"),
	{ NULL },
};

static struct vde_port *to_vde(const struct port *p)
{
	return container_of(p, struct vde_port, port);
}

static void vde_destroy(struct port *p)
{
	struct vde_port *v = to_vde(p);

	vde_peer_close(v);
	port_fini(p);
	dgram_link_fini(&v->link);
	free(v->sock);
	free(v);
}

static int vde_starting(const struct port *p, struct err *err)
{
	const struct vde_port *v = to_vde(p);

	if (v->connections)
		return 0;
	if (v->state == VDE_ASKING)
		return 1;
	return err_set(err, -EIO, "%s", v->reason.msg);
}

static void vde_show(const struct port *p, struct show *out)
{
	vde_peer_show(to_vde(p), out);
}

static const struct port_ops vde_ops = {
	.rx_burst = dgram_rx_burst,
	.rx_done = dgram_rx_done,
	.rx_arm = dgram_rx_arm,
	.rx_disarm = dgram_rx_disarm,
	.tx_burst = dgram_tx_burst,
	.destroy = vde_destroy,
	.starting = vde_starting,
	.show = vde_show,
};

/* Makes a port that is not connected. NULL: out of memory. */
static struct vde_port *create_port(const struct port_env *env,
				    const struct port_conf *common,
				    const char *sock)
{
	struct vde_port *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->loop = env->loop;
	v->ctl_fd = v->data_fd = v->link.fd = v->link.out_fd = -1;
	v->link.fd = v->link.out_fd = -1;
	v->link.has_remote = true;
	v->is_url = sock && strstr(sock, "://");
	v->link.frame_max = v->is_url ? VDE_PLUG_FRAME_MAX : VDE_FRAME_MAX;
	v->link.has_end = v->is_url;
	if (sock && !(v->sock = strdup(sock)))
		goto err_free;
	if (dgram_link_init(&v->link, &v->port))
		goto err_free;
	if (port_init(&v->port, env, &port_vde_type, &vde_ops, common, 1))
		goto err_link;
	v->port.rxq[0] = &v->link.rx;
	v->port.txq[0] = &v->link.tx;
	return v;
err_link:
	dgram_link_fini(&v->link);
err_free:
	free(v->sock);
	free(v);
	return NULL;
}

/* Returns 0 if the options agree, or -EINVAL with @err. @sock is without
 * "vde://". */
static int check_sock(const char *sock, const struct vde_conf *c,
		      struct err *err)
{
	struct stat s;

	if (!strstr(sock, "://")) {
		if (stat(sock, &s) || S_ISDIR(s.st_mode))
			return 0;
		return err_set(err, -EINVAL,
			       "sock=%s: must be the folder of a vde_switch, "
			       "or a URL such as vxvde://",
			       sock);
	}
	if (c->port || c->group)
		return err_set(err, -EINVAL,
			       "%s: is for a vde_switch, not for sock=%s",
			       c->port ? "port" : "group", sock);
	return 0;
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	static const char classic[] = "vde://";
	const struct vde_conf *c = conf;
	const char *sock = c->sock;
	gid_t group = (gid_t)-1;
	struct vde_port *v;
	mode_t mode;
	int rc = 0;

	if (sock && !strncmp(sock, classic, strlen(classic)))
		sock += strlen(classic);
	if (sock && !*sock)
		sock = NULL;
	if (sock)
		rc = check_sock(sock, c, err);
	if (!rc)
		rc = file_mode_read(c->mode, &mode, err);
	if (!rc && c->group)
		rc = file_group_read(c->group, &group, err);
	if (rc)
		return rc;
	v = create_port(env, common, sock);
	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	v->number = c->port;
	/* Without any right the switch could not answer. */
	v->mode = mode ? mode : S_IRWXU;
	v->group = group;
	rc = vde_peer_open(v, err);
	if (rc) {
		vde_destroy(&v->port);
		return rc;
	}
	*out = &v->port;
	return 0;
}

const struct port_type port_vde_type = {
	.name = "vde",
	.help = "a port of a vde_switch, as QEMU's netdev of that name",
	.rows = vde_rows,
	.conf_size = sizeof(struct vde_conf),
	.create = create,
};
