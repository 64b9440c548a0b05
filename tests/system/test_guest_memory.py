# SPDX-License-Identifier: Apache-2.0
"""Linux guests without shared memory have no network; the log and, while the
front-end is connected, `port show` give the reason."""
import lab
import pytest

pytestmark = pytest.mark.guests

VECTORS = '' if lab.have_kvm() else ',vectors=0'
MEMORY = {
    'all of it': [
        '-object', 'memory-backend-memfd,id=ram,size=192M,share=off',
        '-machine', 'memory-backend=ram'],
    'one node': [
        '-object', 'memory-backend-memfd,id=m0,size=96M,share=on',
        '-object', 'memory-backend-ram,id=m1,size=96M',
        # the guest's kernel prefers the memory of its processor's node
        '-numa', 'node,memdev=m0', '-numa', 'node,memdev=m1,cpus=0'],
}


@pytest.mark.parametrize('what', MEMORY)
def test_guest_memory_is_not_shared(images, up, folder, what):
    s = up('vhost-user,id=g', 'user,id=n')
    guest = lab.Guest('vm', folder, MEMORY[what] + [
        '-chardev', f'socket,id=c,path={folder}/g.sock',
        '-netdev', 'vhost-user,id=n,chardev=c', '-device',
        f'virtio-net-pci,netdev=n,mac=52:54:00:00:00:01,romfile={VECTORS}'],
        images=images)
    try:
        guest.wait_boot(120)
        guest.begin('ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0;'
                    'ping -c 100 -i 0.2 -W 1 10.0.2.2')
        lab.wait_until(lambda: 'share=on' in s.log_text(), 15, 'the hint')
        state = s.call('port.show', id='g')['state']
        if state['connected']:
            assert any('share=on' in q.get('hint', '') or q.get('fault') ==
                       'buffer outside guest memory' for q in state['queues'])
        else:
            assert 'ring of 256 outside memory' in s.log_text()
        assert s.log_text().count('share=on') == 1
    finally:
        guest.stop()
