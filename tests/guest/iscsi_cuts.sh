#!/bin/bash
# Inside the guest: iscsi_cuts.sh PORTAL IQN LUN INITIATOR-IQN. ext4 on the LUN under fio, which verifies what it writes, while the
# connection is cut three times: every packet is dropped until the kernel has given the session up. It comes back each time, and no byte is wrong.
# Then xfs and btrfs: made, written, checked by their own tools, read again by a new session.
set -euo pipefail
portal=$1 target=$2 lun=$3 initiator=$4 port=${1##*:}

step() { printf '== %s\n' "$*"; }
wait_for() {  # seconds, then a command that must become true
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || { echo "never true: $*"; return 1; }; sleep 0.1; done
}
login() { iscsiadm -m node -T "$target" -p "$portal" --login; wait_for 30 disk >/dev/null; device=$(disk); }
logout() { iscsiadm -m node -T "$target" -p "$portal" --logout; }
disk() {
  local found
  for found in /sys/class/scsi_device/*:*:*:"$lun"/device/block/*; do [ -e "$found" ] && echo "/dev/${found##*/}" && return; done
  return 1
}
session_is() { [ "$(cat /sys/class/iscsi_session/session*/state)" = "$1" ]; }
cut() {
  nft add table ip cut
  nft "add chain ip cut out { type filter hook output priority 0; }"
  nft "add chain ip cut in { type filter hook input priority 0; }"
  nft add rule ip cut out tcp dport "$port" drop
  nft add rule ip cut in tcp sport "$port" drop
}
mend() { nft delete table ip cut; }
write_files() { for n in $(seq 1 25); do head -c $((n * n * 1997)) /dev/urandom >"/mnt/$n"; done; (cd /mnt && sha256sum -- * >/payload/sums); }
check_files() { (cd /mnt && sha256sum --quiet -c /payload/sums); }

echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock/iscsi /mnt
iscsid
iscsiadm -m node -o new -T "$target" -p "$portal"
# A lost connection is noticed in two seconds; commands wait for a new one as long as it takes.
for setting in conn[0].timeo.noop_out_interval=1 conn[0].timeo.noop_out_timeout=1 session.timeo.replacement_timeout=-1; do
  iscsiadm -m node -T "$target" -p "$portal" -o update -n "node.${setting%=*}" -v "${setting#*=}"
done
login

step "ext4 under fio"
mkfs.ext4 -q -F "$device"
mount "$device" /mnt
mkdir /mnt/load
head -c 5000000 /dev/urandom >/mnt/before
(cd /mnt && sha256sum before >/payload/before)
load() {  # passes until it is told to stop: written at random, then every block read and its checksum compared
  local passes=0
  while ! [ -e /payload/stop ] || ((passes == 0)); do
    fio --name=load --directory=/mnt/load --size=12M --rw=randwrite --bsrange=4k-64k --direct=1 --ioengine=libaio --iodepth=8 \
      --eta=never --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=$((passes + 1)) --output=/payload/fio --minimal || { cat /payload/fio; return 1; }
    passes=$((passes + 1))
  done
  echo "fio: $passes passes"
}
load &
load=$!
done_writes() { set -- $(cat "/sys/block/${device##*/}/stat"); echo "$5"; }
more_written() { (($(done_writes) > $1 + 20)); }
for n in 1 2 3; do
  wait_for 60 more_written "$(done_writes)"
  cut
  wait_for 60 session_is FAILED
  mend
  wait_for 120 session_is LOGGED_IN
  step "cut $n is mended"
done
wait_for 60 more_written "$(done_writes)"
touch /payload/stop
wait "$load"
(cd /mnt && sha256sum --quiet -c /payload/before)
umount /mnt
fsck.ext4 -f -n "$device"
logout
login
mount -o ro "$device" /mnt
(cd /mnt && sha256sum --quiet -c /payload/before)
umount /mnt
step "ext4 has every byte"

mkfs.xfs -q -f "$device"
mount -t xfs "$device" /mnt
write_files
umount /mnt
xfs_repair -n "$device"
logout
login
mount -t xfs -o ro "$device" /mnt
check_files
umount /mnt
step "xfs has every byte"

mkfs.btrfs -q -f "$device"
mount -t btrfs "$device" /mnt
write_files
sync -f /mnt/1
btrfs scrub start -B -R /mnt | tee /payload/scrub
for errors in csum_errors verify_errors read_errors super_errors malloc_errors uncorrectable_errors unverified_errors corrected_errors; do
  grep -q "$errors: 0\$" /payload/scrub
done
umount /mnt
btrfs check --readonly "$device"
logout
login
mount -t btrfs -o ro "$device" /mnt
check_files
umount /mnt
step "btrfs has every byte"
logout
step "all there"
