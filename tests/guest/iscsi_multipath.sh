#!/bin/bash
# Inside the guest: iscsi_multipath.sh PORTAL OTHER-PORTAL IQN LUN INITIATOR-IQN. dm-multipath over two portals, ext4 on it under fio, which
# verifies what it writes. Each path is cut in turn while the other carries on; then the other portal goes in good order (whoever
# starts this takes it offline when it reads "== waiting for the other portal to go", and gives it back at "... to come back").
set -euo pipefail
one=$1 other=$2 target=$3 lun=$4 initiator=$5

step() { printf '== %s\n' "$*"; }
wait_for() {  # seconds, then a command that must become true
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || { echo "never true: $*"; multipathd show paths || true; dmesg | tail -20; return 1; }; sleep 0.2; done
}
disk_by() {  # the block device that came by a portal
  local session
  for session in /sys/class/iscsi_connection/connection*; do
    [ "$(cat "$session/persistent_port")" = "${1##*:}" ] || continue
    local found
    for found in "$session"/device/../target*/*:"$lun"/block/*; do [ -e "$found" ] && echo "${found##*/}" && return; done
  done
  return 1
}
paths() { multipathd show paths raw format "%d %t %o" 2>/dev/null | grep -c "active running" || true; }
paths_are() { [ "$(paths)" = "$1" ]; }
written() { set -- $(cat "/sys/block/$1/stat"); echo "$5"; }
more_written() { (($(written "$1") > $2 + 20)); }
cut() {
  nft add table ip cut
  nft "add chain ip cut out { type filter hook output priority 0; }"
  nft "add chain ip cut in { type filter hook input priority 0; }"
  nft add rule ip cut out tcp dport "${1##*:}" drop
  nft add rule ip cut in tcp sport "${1##*:}" drop
}
mend() { nft delete table ip cut; }

echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock/iscsi /run/udev /mnt
cat >/etc/multipath.conf <<'END'
defaults {
  user_friendly_names no
  find_multipaths no
  polling_interval 1
  max_polling_interval 1
  path_grouping_policy multibus
  path_checker tur
  prio alua
  no_path_retry queue
  fast_io_fail_tmo 2
}
blacklist {
  devnode "^vd"
}
END
/lib/systemd/systemd-udevd --daemon
udevadm trigger
udevadm settle
multipathd
iscsid
for portal in "$one" "$other"; do
  iscsiadm -m node -o new -T "$target" -p "$portal"
  for setting in conn[0].timeo.noop_out_interval=1 conn[0].timeo.noop_out_timeout=1 session.timeo.replacement_timeout=2; do
    iscsiadm -m node -T "$target" -p "$portal" -o update -n "node.${setting%=*}" -v "${setting#*=}"
  done
  iscsiadm -m node -T "$target" -p "$portal" --login
done
wait_for 240 paths_are 2
first=$(disk_by "$one") second=$(disk_by "$other")
multipath -ll
# One disk by two target ports, both active/optimised.
multipath -ll | grep -q "prio=50"
((1 == $(multipathd show maps raw format "%n" | wc -l)))
device=/dev/mapper/$(multipathd show maps raw format "%n")
[ -b "$device" ]
step "two paths: $first and $second"

mkfs.ext4 -q -F "$device"
mount "$device" /mnt
head -c 5000000 /dev/urandom >/mnt/before
(cd /mnt && sha256sum before >/payload/before)
mkdir /mnt/load
load() {
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
both_write() { wait_for 240 more_written "$first" "$(written "$first")"; wait_for 240 more_written "$second" "$(written "$second")"; }
both_write
step "both carry"

cut "$other"
wait_for 240 paths_are 1
wait_for 240 more_written "$first" "$(written "$first")"
mend
wait_for 240 paths_are 2
both_write
step "the other path was lost and is back"

cut "$one"
wait_for 240 paths_are 1
wait_for 240 more_written "$second" "$(written "$second")"
mend
wait_for 240 paths_are 2
both_write
step "the first path was lost and is back"

step "waiting for the other portal to go"
wait_for 240 paths_are 1
wait_for 240 more_written "$first" "$(written "$first")"
step "waiting for the other portal to come back"
wait_for 240 paths_are 2
both_write

touch /payload/stop
wait "$load"
(cd /mnt && sha256sum --quiet -c /payload/before)
umount /mnt
fsck.ext4 -f -n "$device"
step "all there"
