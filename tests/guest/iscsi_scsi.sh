#!/bin/bash
# Inside the guest: iscsi_scsi.sh PORTAL IQN LUN INITIATOR-IQN. The kernel's initiator and sg3-utils ask a LUN for what a disk array offers:
# caching, vital product data, reservations, ALUA, EXTENDED COPY to a second LUN that appears meanwhile under the live session. Ends non-zero at the first wrong answer.
set -Eeuo pipefail
portal=$1 target=$2 lun=$3 initiator=$4

trap 'echo "wrong at line $LINENO: $BASH_COMMAND"; cat /payload/out' ERR
asked() { "$@" >/payload/out 2>&1; }  # what it answered is shown if it, or the next step, goes wrong

step() { printf '== %s\n' "$*"; }
wait_for() {  # seconds, then a command that must become true
  local end=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < end)) || { echo "never true: $*"; dmesg | tail -20; return 1; }; sleep 0.2; done
}
disk() {
  local found
  for found in /sys/class/scsi_device/*:*:*:"$1"/device/block/*; do [ -e "$found" ] && echo "/dev/${found##*/}" && return; done
  return 1
}
said() { dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct status=none; dmesg | grep -q "$1"; }

echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock/iscsi
iscsid
iscsiadm -m node -o new -T "$target" -p "$portal" >/dev/null
iscsiadm -m node -T "$target" -p "$portal" --login >/dev/null
wait_for 30 disk "$lun" >/dev/null
device=$(disk "$lun")
base=/sys/block/${device##*/}/device

step "cache"
grep -q 'write back' "$base"/scsi_disk/*/cache_type
[ "$(cat "$base"/scsi_disk/*/FUA)" = 1 ]

step "vital product data"
for page in sv sn di mpp sp tpc bl bdc lbpv ei; do sg_vpd -p $page "$device" >/payload/out || { cat /payload/out; echo "page $page"; exit 1; }; done
sg_vpd -p sp "$device" | grep -q 'Relative port=1'

step "opcodes"
[ "$(sg_opcodes -q "$device" | grep -c '^ *[0-9a-f][0-9a-f]')" -ge 55 ]

step "port groups"
sg_rtpg -d "$device" | tee /payload/rtpg | grep -q 'active/optimized'

step "reservations"
asked sg_persist --out --register --param-sark=0xabc --param-aptpl "$device"
asked sg_persist --out --reserve --param-rk=0xabc --prout-type=5 "$device"
asked sg_persist --in --read-keys "$device"
grep -q 0xabc /payload/out
asked sg_persist --in --read-reservation "$device"
grep -q 'Write Exclusive, registrants only' /payload/out
asked sg_persist --in --report-capabilities "$device"
grep -q 'PTPL_C): 1' /payload/out
grep -q 'PTPL_A): 1' /payload/out
asked sg_persist --in --read-full-status "$device"
grep -q "$initiator" /payload/out
asked sg_persist --out --clear --param-rk=0xabc "$device"

step "blocks"
dd if=/dev/urandom of=/payload/block bs=4096 count=1 status=none
dd if=/payload/block of="$device" bs=4096 seek=16 oflag=direct status=none
asked sg_verify --lba=128 --count=8 "$device"
asked sg_verify --lba=128 --count=8 --ndo=4096 --in=/payload/block "$device"
asked sg_get_lba_status --lba=0 "$device"
asked sg_write_same --lba=256 --num=64 --in=/dev/zero --xferlen=512 "$device"
asked sg_sync "$device"

step "waiting for another LUN"
wait_for 90 said 'LUN assignments on this target have changed'
other_lun=$((lun + 1))
host=$(basename "$(readlink -f "$base")" | cut -d: -f1)
echo '- - -' >"/sys/class/scsi_host/host$host/scan"
wait_for 30 disk "$other_lun" >/dev/null
other=$(disk "$other_lun")

step "extended copy"
dd if=/dev/urandom of=/payload/data bs=1M count=4 status=none
dd if=/payload/data of="$device" bs=1M oflag=direct status=none
mkdir -p /dev/block  # where sg_xcopy looks; there is no udev here
for each in "$device" "$other"; do ln -sf "$each" "/dev/block/$(lsblk -dno MAJ:MIN "$each" | tr -d ' ')"; done
asked sg_xcopy if="$device" of="$other" bs=512 count=8192
dd if="$other" bs=1M count=4 iflag=direct status=none | cmp - /payload/data

step "mode parameters"
asked sg_wr_mode --page=8 --contents=88,12,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 --mask=0,0,4 --save "$device"
echo 1 >"$base"/rescan
wait_for 20 grep -q 'write through' "$base"/scsi_disk/*/cache_type
iscsiadm -m node -T "$target" -p "$portal" --logout >/dev/null
step "all answered"
