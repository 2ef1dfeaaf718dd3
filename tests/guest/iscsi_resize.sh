#!/bin/bash
# Inside the guest: iscsi_resize.sh PORTAL IQN LUN INITIATOR-IQN. The kernel has a file system on the LUN, mounted and being
# written to, while the LUN is extended outside (whoever starts this does that when it reads "== waiting to be larger"). The
# kernel hears of it without logging out, the file system grows online, nothing is lost.
set -euo pipefail
portal=$1 target=$2 lun=$3 initiator=$4

step() { printf '== %s\n' "$*"; }
wait_for() {  # seconds, then a command that must become true
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || { echo "never true: $*"; return 1; }; sleep 0.1; done
}
disk() {
  local found
  for found in /sys/class/scsi_device/*:*:*:"$lun"/device/block/*; do [ -e "$found" ] && echo "/dev/${found##*/}" && return; done
  return 1
}

echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock/iscsi
iscsid
iscsiadm -m node -o new -T "$target" -p "$portal"
iscsiadm -m node -T "$target" -p "$portal" --login
wait_for 30 disk >/dev/null
device=$(disk)
before=$(blockdev --getsize64 "$device")
step "a file system of $before bytes"
mkfs.ext4 -q -F "$device"
mkdir -p /mnt
mount "$device" /mnt
head -c 20000000 /dev/urandom >/mnt/before
(cd /mnt && sha256sum before >/payload/sums)
sync -f /mnt/before
(while ! [ -e /payload/stop ]; do head -c 500000 /dev/urandom >/mnt/busy; sync -f /mnt/busy; done) &
busy=$!

step "waiting to be larger"
told() { dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct status=none; dmesg | grep -q "Capacity data has changed"; }
wait_for 60 told
step "told"
echo 1 >"/sys/block/${device##*/}/device/rescan"
after=$(blockdev --getsize64 "$device")
((after > before)) || { echo "still $after bytes"; exit 1; }
resize2fs "$device"
step "now $after bytes"
head -c 60000000 /dev/urandom >/mnt/after
(cd /mnt && sha256sum after >>/payload/sums)
touch /payload/stop
wait "$busy"
umount /mnt
fsck.ext4 -f -n "$device"
iscsiadm -m node -T "$target" -p "$portal" --logout
iscsiadm -m node -T "$target" -p "$portal" --login
wait_for 30 disk >/dev/null
mount -o ro "$(disk)" /mnt
(cd /mnt && sha256sum --quiet -c /payload/sums)
umount /mnt
step "all there"
