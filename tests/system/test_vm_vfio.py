# SPDX-License-Identifier: Apache-2.0
"""Cards of the host that `ringway vm` gives to a guest (VFIO)."""
import pytest


def group(l1, card):
    """Returns what is in a card's IOMMU group."""
    return l1.run(f'ls /sys/bus/pci/devices/{l1.pci(card)}/iommu_group/'
                  'devices').split()


@pytest.mark.guests
def test_lab(l1_cards):
    """The lab's cards are where tests expect them: e1000e and igb alone in
    their groups, two cards behind a bridge in one."""
    for card in ('e1000e', 'igb'):
        assert group(l1_cards, card) == [l1_cards.pci(card)]
    both = group(l1_cards, 'pci-a')
    assert l1_cards.pci('pci-a') in both and l1_cards.pci('pci-b') in both
