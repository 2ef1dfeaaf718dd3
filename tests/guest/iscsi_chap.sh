#!/bin/bash
# Inside the guest: iscsi_chap.sh PORTAL IQN SECRET MUTUAL-SECRET [INITIATOR-IQN]. The kernel's initiator logs in with CHAP: not
# without a secret, not with a wrong one, with MD5, with SHA-256, with a target that proves itself, and not with one that
# cannot. Prints the steps; ends non-zero at the first wrong one.
set -euo pipefail
portal=$1 target=$2 secret=$3 mutual=$4 initiator=${5:-iqn.2026-01.org.vds:guest}

step() { printf '== %s\n' "$*"; }
node() { iscsiadm -m node -T "$target" -p "$portal" "$@"; }
set_to() { node -o update -n "node.session.auth.$1" -v "$2"; }
gets_in() { node --login && node --logout; }
stays_out() { ! node --login || { echo "got in"; return 1; }; }

echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock/iscsi
iscsid
node -o new
node -o update -n node.session.initial_login_retry_max -v 1
node -o update -n node.session.scan -v manual

step "without a secret"
stays_out
set_to authmethod CHAP
set_to username "$initiator"
step "with a wrong one"
set_to password "not-the-secret-at-all"
stays_out
step "MD5"
set_to password "$secret"
set_to chap_algs MD5
gets_in
step "SHA-256"
set_to chap_algs SHA256
gets_in
set_to chap_algs SHA256,MD5
step "mutual"
set_to username_in "$target"
set_to password_in "$mutual"
gets_in
step "mutual, with a target that is another"
set_to password_in "quite-another-secret"
stays_out
step "discovery"
db() { iscsiadm -m discoverydb -t sendtargets -p "$portal" "$@"; }
db -o new
! db --discover || { echo "discovered without a secret"; exit 1; }
db -o update -n discovery.sendtargets.auth.authmethod -v CHAP
db -o update -n discovery.sendtargets.auth.username -v "$initiator"
db -o update -n discovery.sendtargets.auth.password -v "$secret"
db --discover | tee found
grep -qF "$target" found
step "all as it should be"
