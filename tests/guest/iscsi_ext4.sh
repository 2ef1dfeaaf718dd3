#!/bin/bash
# Inside the guest: iscsi_ext4.sh PORTAL IQN LUN [INITIATOR-IQN]. The kernel's own initiator uses the LUN as a disk: ext4,
# files of many sizes, unmount, fsck, logout, login again, everything still there. Prints the steps; ends non-zero at the first wrong one.
set -euo pipefail
portal=$1 target=$2 lun=$3 initiator=${4:-iqn.2026-01.org.vds:guest}

step() { printf '== %s\n' "$*"; }
wait_for() {  # seconds, then a command that must become true
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || { echo "never true: $*"; return 1; }; sleep 0.1; done
}
login() { iscsiadm -m node -T "$target" -p "$portal" --login; }
logout() { iscsiadm -m node -T "$target" -p "$portal" --logout; }
disk() {  # the block device of our LUN, by its number on the session's host
  local found
  for found in /sys/class/scsi_device/*:*:*:"$lun"/device/block/*; do [ -e "$found" ] && echo "/dev/${found##*/}" && return; done
  return 1
}

echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock/iscsi
# The node database is written by hand (no discovery): what a portal calls itself need not be reachable from in here.
iscsid
step "node"
iscsiadm -m node -o new -T "$target" -p "$portal"
iscsiadm -m node -T "$target" -p "$portal" -o update -n node.session.scan -v auto

step "login"
login
wait_for 30 disk >/dev/null
device=$(disk)
base=/sys/block/${device##*/}
printf 'disk %s %s\n' "$(tr -s ' ' <"$base/device/vendor") $(tr -s ' ' <"$base/device/model")" "$(blockdev --getsize64 "$device") bytes"

step "mkfs.ext4"
mkfs.ext4 -q -F "$device"
mkdir -p /mnt
mount "$device" /mnt

step "write"
mkdir /mnt/files
for n in $(seq 1 40); do head -c $((n * n * 997)) /dev/urandom >"/mnt/files/$n"; done
(cd /mnt/files && sha256sum -- * >/payload/sums)
cp /payload/sums /mnt/sums
sync -f /mnt/sums
umount /mnt

step "fsck"
fsck.ext4 -f -n "$device"

step "logout and login again"
logout
wait_for 10 bash -c "! [ -e $base ]"
login
wait_for 30 disk >/dev/null
mount -o ro "$(disk)" /mnt
(cd /mnt/files && sha256sum --quiet -c /payload/sums)
cmp /mnt/sums /payload/sums
umount /mnt
logout
step "all there"
