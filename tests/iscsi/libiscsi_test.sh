#!/usr/bin/env bash
# Real initiators against target_on_memory: libiscsi's tools, qemu-img there and back, and libiscsi's whole test suite (libiscsi.py): on one path
# and on two, four at once, with 512-byte and with 4 KiB physical blocks.
# Use: libiscsi_test.sh PATH_OF_target_on_memory. Exit status 77: a tool is not installed.
set -eu
server=$1
here=$(cd "$(dirname "$0")" && pwd)
suite=("$here/libiscsi.py" --skips "$here/../../docs/iscsi.md")
for tool in iscsi-ls iscsi-inq iscsi-readcapacity16 iscsi-test-cu qemu-img python3; do
  command -v $tool >/dev/null || { echo "no $tool here"; exit 77; }
done
dir=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap cleanup EXIT
start() {  # options of target_on_memory
  rm -f "$dir/url"
  VDS_LOG=warn "$server" "$@" >"$dir/url" 2>"$dir/log" &
  pid=$!
  for _ in $(seq 200); do [ -s "$dir/url" ] && break; kill -0 "$pid"; sleep 0.05; done
  url=$(cat "$dir/url")
}
stop() {  # cleanly, with whatever sessions there are
  kill -TERM "$pid"
  wait "$pid"
  pid=
  [ ! -s "$dir/log" ] || { echo "the target said:"; cat "$dir/log"; exit 1; }
}

start --luns 5 --size 268435456
portal=$(echo "$url" | cut -d/ -f1-3)
iscsi-ls -s "$portal" | tee "$dir/ls"
[ "$(grep -c '^Lun:' "$dir/ls")" = 5 ]
iscsi-inq "$url" | grep -q 'Vendor:VDS'
iscsi-readcapacity16 "$url" | grep -q 'Total size:268435456'

# On a LUN of its own: MultipathIO.CompareAndWrite of 1.19 compares one block more than it has zeroed, so it needs a fresh one.
image_lun=${url%/0}/4
head -c 64M /dev/urandom >"$dir/image"
qemu-img convert -n -f raw -O raw "$dir/image" "$image_lun" 2>"$dir/qemu"
qemu-img convert -f raw -O raw "$image_lun" "$dir/back" 2>>"$dir/qemu"
cmp -n 67108864 "$dir/image" "$dir/back"
[ ! -s "$dir/qemu" ] || { echo "qemu-img said:"; cat "$dir/qemu"; exit 1; }

"${suite[@]}" --on memory --copies 4 "$url" "$url"  # two paths each
stop

start --luns 1 --size 268435456 --physical 4096
"${suite[@]}" --on memory4k --tests \
  CompareAndWrite.InvalidDataOutSize,Inquiry.BlockLimits,WriteSame10.InvalidDataOutSize,WriteSame10.UnmapUnaligned,WriteSame16.InvalidDataOutSize,WriteSame16.UnmapUnaligned \
  "$url"
stop
