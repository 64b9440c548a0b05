#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs two Linux guests on a Ringway switch with a user port, step by step.

Run by `make demo`. Needs no root: the guests share their memory by file
descriptor, and the user port needs no rights. Started by root, the switch
still runs as an ordinary user.
"""
import argparse
import hashlib
import http.server
import os
import pwd
import re
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import lab

MEMORY = '192M'
PAGE = b'A page from the host.\n' * 10000


class Steps:
    """Prints a line with the time for each step."""

    def __init__(self):
        self.start = self.begin = time.monotonic()
        self.title = ''
        self.live = sys.stdout.isatty()

    def step(self, title):
        self.title, self.begin = title, time.monotonic()
        if self.live:
            print(f'  ...     {title}', end='', flush=True)

    def done(self, result=''):
        seconds = time.monotonic() - self.begin
        text = f'{seconds:6.1f} s  {self.title}'
        print(f'\r{text}: {result}' if self.live and result else
              f'{text}: {result}' if result else text, flush=True)

    def failed(self, reason):
        seconds = time.monotonic() - self.begin
        print(f'{chr(13) if self.live else ""}{seconds:6.1f} s  {self.title}: '
              f'FAILED: {reason}', flush=True)

    def total(self):
        return time.monotonic() - self.start


def table(rows):
    """Prints rows of text; the first row is the head."""
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    rows.insert(1, ['-' * w for w in width])
    for row in rows:
        print('  ' + '  '.join(c.ljust(w) for c, w in zip(row, width)).rstrip())


def ordinary_user(binary, folder):
    """Returns (binary, command prefix) to run the switch with. For root these
    are a copy in @folder and setpriv to $SUDO_USER or nobody, where there is
    such a user; for others the binary itself and no prefix."""
    if os.geteuid() != 0:
        return binary, []
    name = os.environ.get('SUDO_USER', 'nobody')
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return binary, []
    if not shutil.which('setpriv') or user.pw_uid == 0:
        return binary, []
    copy = shutil.copy(binary, os.path.join(folder, 'ringway'))
    os.chmod(copy, 0o755)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return copy, ['setpriv', f'--reuid={user.pw_uid}',
                  f'--regid={user.pw_gid}', '--clear-groups']


def serve_page():
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Length', str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *args):
            pass

    server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def ping(guest, address):
    """Returns the mean round trip as text; fails when a reply is missing."""
    out = guest.run(f'ping -c 5 -i 0.2 -W 2 -q {address}', 30)
    if ' 0% packet loss' not in out:
        raise lab.LabError(f'{guest.name}: ping {address}: '
                           f'{out.strip().splitlines()[-1]}')
    times = re.search(r'= [\d.]+/([\d.]+)/', out)
    return f'{times.group(1)} ms'


def iperf(guest, address, *options):
    rate = lab.iperf(lambda: guest.run(
        f'iperf3 -J -t 3 -c {address} {" ".join(options)}', 30))
    return f'{rate / 1e6:.0f} Mbit/s'


def dhcp(guest):
    guest.run('udhcpc -n -q -t 5 -T 2 -i eth0', 30)
    lease = dict(re.findall(r"^(\w+)='([^']*)'", guest.run('cat /run/lease'),
                            re.M))
    return lease['ip'], lease['router']


def counters(switch, ports):
    rows = [['port', 'from it', 'bytes', 'to it', 'bytes', 'kicks', 'calls',
             'copies', 'dropped']]
    stats = {p['id']: p for p in switch.call('stats')['ports']}
    for port in ports:
        s = stats[port]
        rows.append([port] + [str(n) for n in (
            s['rx_frames'], s['rx_bytes'], s['tx_frames'], s['tx_bytes'],
            sum(q['kicks'] for q in s['rx']),
            sum(q['calls'] for q in s['tx']),
            sum(q['copies'] for q in s['tx']),
            s['rx_drops'] + s['tx_drops'])])
    return rows


def run(args, steps, folder, closing):
    results = [['what', 'result']]

    def note(what, result):
        results.append([what, result])
        steps.done(result)

    steps.step('guest kernel and initrd')
    for script in ('guest-kernel.sh', 'guest-initrd.sh'):
        done = subprocess.run([os.path.join(lab.TOP, 'scripts', script),
                               lab.IMAGES], capture_output=True, text=True)
        if done.returncode:
            raise lab.LabError(done.stderr.strip() or f'{script} failed')
    steps.done(os.path.relpath(lab.IMAGES))

    page = serve_page()
    closing.append(page.shutdown)
    web_port = page.server_address[1]
    forward = lab.free_port()

    steps.step('switch with two guest ports and a user port')
    binary, prefix = ordinary_user(os.path.join(args.build, 'ringway'), folder)
    netdevs = [f'vhost-user,id=vm1,path={folder}/vm1.sock',
               f'vhost-user,id=vm2,path={folder}/vm2.sock',
               f'user,id=nat,hostfwd=tcp:127.0.0.1:{forward}-:80']
    switch = lab.Daemon(os.path.abspath(binary), folder, netdevs,
                        prefix=prefix)
    closing.append(switch.stop)
    user = pwd.getpwuid(os.stat(f'/proc/{switch.pid}').st_uid).pw_name
    steps.done(f'ready after {switch.ready_seconds * 1000:.0f} ms, runs as '
               f'{user}')
    print('            ringway up ' + ' '.join(f'-netdev {n}'
                                               for n in netdevs))

    kind = 'KVM' if lab.have_kvm() else 'TCG, no hardware acceleration here'
    steps.step(f'boot vm1 and vm2 ({kind})')
    guests = []
    for name in ('vm1', 'vm2'):
        guest = lab.Guest(name, folder, switch.qemu_args(name, MEMORY), MEMORY)
        closing.append(guest.stop)
        guests.append(guest)
    boots = [g.wait_boot() for g in guests]
    vm1, vm2 = guests
    steps.done('up after ' + ' and '.join(f'{b:.1f} s' for b in boots))

    steps.step('DHCP')
    (ip1, gateway), (ip2, _) = dhcp(vm1), dhcp(vm2)
    note('DHCP leases', f'vm1 {ip1}, vm2 {ip2}, gateway {gateway}')

    for what, guest, address in (('ping vm1 -> vm2', vm1, ip2),
                                 ('ping vm2 -> vm1', vm2, ip1),
                                 ('ping vm1 -> gateway', vm1, gateway)):
        steps.step(what)
        note(what, ping(guest, address))

    vm2.run('iperf3 -s -D')
    for what, options in (('TCP vm1 -> vm2', ()), ('TCP vm2 -> vm1', ('-R',))):
        steps.step(what + ' (iperf3, 3 s)')
        note(what, iperf(vm1, ip2, *options))

    steps.step('HTTP from vm1 to the host through NAT')
    out = vm1.run(f'wget -q -O - http://{gateway}:{web_port}/ | sha256sum')
    if out.split()[0] != hashlib.sha256(PAGE).hexdigest():
        raise lab.LabError('the page arrived changed')
    note('HTTP vm1 -> host', f'{len(PAGE)} bytes, unchanged')

    steps.step('connection from the host to vm1 through hostfwd')
    vm1.run('echo hello from vm1 >/www/index.html; httpd -p 80 -h /www')
    text = urllib.request.urlopen(f'http://127.0.0.1:{forward}/',
                                  timeout=10).read().decode().strip()
    if text != 'hello from vm1':
        raise lab.LabError(f'got {text!r}')
    note(f'host 127.0.0.1:{forward} -> vm1:80', f'"{text}"')

    counted = counters(switch, ('vm1', 'vm2', 'nat'))
    # The guests' memory does not count as the switch's.
    memory = (switch.status('RssAnon') + switch.status('RssFile')) / 1024
    while closing[-1] != switch.stop:
        closing.pop()()
    steps.step('stop')
    closing.pop()
    status, seconds = switch.stop()
    if status != 0:
        raise lab.LabError(f'ringway ended with {status}: '
                           f'{lab.tail(switch.log)}')
    steps.done(f'the switch ended after {seconds * 1000:.0f} ms; it had '
               f'{memory:.0f} MiB')
    print()
    table(results)
    print('\n  What Ringway counted:')
    table(counted)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--build', default=os.path.join(lab.TOP, 'build'))
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix='ringway-demo.')
    steps, closing = Steps(), []
    try:
        run(args, steps, folder, closing)
    except (lab.LabError, OSError, subprocess.TimeoutExpired, KeyError,
            ValueError) as e:
        steps.failed(e)
        for line in lab.tail(f'{folder}/ringway.log').splitlines():
            print(f'            {line}')
        print(f'  logs: {folder}')
        return 1
    except KeyboardInterrupt:
        steps.failed('interrupted')
        return 130
    finally:
        while closing:
            try:
                closing.pop()()
            except lab.LabError as e:
                print(e)
    shutil.rmtree(folder)
    print(f'\n  {steps.total():.0f} s altogether. By hand: see README.md, '
          '"Your own guest".')
    return 0


sys.exit(main())
