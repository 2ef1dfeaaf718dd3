#!/usr/bin/env bash
# install_test.sh BUILD_DIR SOURCE_DIR: see README.md beside this file.
set -euo pipefail
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
check() { # check WHAT COMMAND...
  local what=$1
  shift
  if "$@" >"$work/out" 2>&1; then echo "ok: $what"; else fail "$what"; sed 's/^/    /' "$work/out" | head -40; fi
}

cmake --install "$build" --prefix "$prefix" >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }

# --- the names that others build on
for file in bin/vds bin/vds-provider-check share/man/man1/vds-provider-check.1 lib/libvds.so lib/libvds.so.0 lib/pkgconfig/vds.pc lib/cmake/vds/vdsConfig.cmake \
  lib/libvds-provider-sdk.so lib/pkgconfig/vds-provider-sdk.pc \
  include/vds/{windows,vds,vdshwprv,vdslun,vdserr,vdsx,vdsprovider,unknwn,objbase}.h lib/systemd/system/{vdsd.service,vds-scrub.service,vds-scrub.timer} \
  lib/sysusers.d/vdsd.conf lib/tmpfiles.d/vdsd.conf share/man/man1/vds.1 share/man/man8/vdsd.8 share/man/man8/vds-arrayd.8 \
  share/bash-completion/completions/vds; do
  [[ -e $prefix/$file ]] || fail "$file is not installed"
done
for program in vdsd vds-arrayd; do
  [[ -x $build/src/apps/vdsd/vdsd ]] || break # a tree without the daemons
  [[ -x $prefix/sbin/$program ]] || fail "sbin/$program is not installed"
done

# --- the library gives away the API and nothing else
nm -D --defined-only "$prefix/lib/libvds.so" | awk '{print $3}' | sed 's/@.*//' >"$work/exports"
if grep -vE '^(IID_|CLSID_|(VDS_)?GUID_NULL$|PARTITION_.*_GUID|Co[A-Z]|(CLSID|IID)FromString$|StringFrom|Sleep$|[GS]etLastError$|GetCurrentProcessId$|GetTickCount|VDS_0$)' \
  "$work/exports" >"$work/strays"; then
  fail "libvds.so exports what is not API: $(head -5 "$work/strays" | tr '\n' ' ')"
fi
nm -D --defined-only "$prefix/lib/libvds-provider-sdk.so" | awk '{print $3}' | c++filt | sed 's/@.*//' >"$work/exports"
if grep -vE '^((non-virtual thunk to |vtable for |typeinfo (name )?for )?vds::provider::|IID_|CLSID_|(VDS_)?GUID_NULL$|CoTaskMem|(CLSID|IID)FromString$|StringFrom|Sleep$|[GS]etLastError$|VDS_PROVIDER_0$)' \
  "$work/exports" >"$work/strays"; then
  fail "libvds-provider-sdk.so exports what is not public: $(head -5 "$work/strays" | tr '\n' ' ')"
fi
[[ $(readelf -d "$prefix/lib/libvds.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p') == libvds.so.0 ]] || fail "SONAME"
readelf -d "$prefix/lib/libvds.so" "$prefix/bin/vds" | grep -qE 'R(UN)?PATH.*build' && fail "a path of the build tree is in what is installed"

# --- programs of others, by pkg-config
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
read -ra cflags <<<"$(pkg-config --cflags vds)"
read -ra libs <<<"$(pkg-config --libs vds)"
cat >"$work/main.cc" <<'CODE'
#include <windows.h>
#include "vds.h"
HRESULT SynchronousCreateLun(IVdsSubSystem*, VDS_LUN_TYPE, ULONGLONG, VDS_OBJECT_ID*, LONG, LPWSTR, VDS_HINTS*, IVdsLun**);
// Nobody listens on the socket that the test names: the way through the library is what counts.
int main() {
  IVdsServiceLoader* loader = NULL;
  HRESULT hr = CoCreateInstance(CLSID_VdsLoader, NULL, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, (void**)&loader);
  HRESULT (*volatile function)(IVdsSubSystem*, VDS_LUN_TYPE, ULONGLONG, VDS_OBJECT_ID*, LONG, LPWSTR, VDS_HINTS*, IVdsLun**) =
      &SynchronousCreateLun;  // linked, and not called: there is no array
  return hr == HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE) && !loader && function ? 0 : 1;
}
CODE
export VDS_SOCKET=$work/nobody
for compiler in g++ clang++; do
  command -v $compiler >/dev/null || continue
  for standard in c++17 c++20; do
    check "the textbook function, $compiler $standard" \
      $compiler -std=$standard -Wall -Werror "$source/tests/api/seed_compiles.cc" "$work/main.cc" "${cflags[@]}" "${libs[@]}" -o "$work/seed"
    check "it runs and is told that no service is there" "$work/seed"
    check "the example, $compiler $standard" \
      $compiler -std=$standard -Wall -Wextra -Werror "$source/examples/create_lun/create_lun.cc" "${cflags[@]}" "${libs[@]}" -o "$work/create_lun"
    check "the example provider, $compiler $standard" \
      $compiler -std=$standard -Wall -Wextra -Werror "$source/examples/provider/directory_provider.cc" \
      $(pkg-config --cflags --libs vds-provider-sdk) -o "$work/directory_provider"
    check "a larger application, $compiler $standard" \
      $compiler -std=$standard -Wall -Werror "$source/tests/api/application.cc" "${cflags[@]}" "${libs[@]}" -o "$work/application"
  done
done
for compiler in gcc clang; do
  command -v $compiler >/dev/null || continue
  check "an application in C, $compiler" \
    $compiler -std=c11 -Wall -Werror "$source/tests/api/application_in_c.c" "${cflags[@]}" "${libs[@]}" -o "$work/application_in_c"
done
status=0
"$work/create_lun" >/dev/null 2>&1 || status=$?
[[ $status == 3 ]] || fail "the example ends with $status, not 3, when no service is there"

# --- and by CMake, from a tree that was moved
mv "$prefix" "$work/moved"
prefix=$work/moved
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
check "find_package(vds)" cmake -S "$source/examples/create_lun" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS=-Wall
check "building against it" cmake --build "$work/consumer"
check "find_package(vds COMPONENTS provider_sdk)" \
  cmake -S "$source/examples/provider" -B "$work/provider" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS=-Wall
check "building a provider against it" cmake --build "$work/provider"

# --- that provider behind the installed service: registered, used, killed, back
if [[ -x $prefix/sbin/vdsd ]]; then
  export VDS_SOCKET=$work/vdsd.sock
  vds=$prefix/bin/vds
  "$prefix/sbin/vdsd" --state-dir "$work/state" --socket "$VDS_SOCKET" >"$work/vdsd.out" 2>"$work/vdsd.log" &
  service=$!
  trap 'kill $service 2>/dev/null; wait $service 2>/dev/null; rm -rf "$work"' EXIT
  for ((i = 0; i < 300; i++)); do grep -q ready "$work/vdsd.out" && break || sleep 0.1; done
  provider_pid() { "$vds" --json provider list | python3 -c 'import json,sys; print(next(p["pid"] for p in json.load(sys.stdin) if p["state"] == "ready"))' 2>/dev/null; }
  check "vds provider register" "$vds" provider register shelf "$work/provider/directory_provider" "$work/shelf:64M"
  check "a LUN through it, by the command line" "$vds" lun create --size 8M
  cat >"$work/simple.cc" <<'CODE'
#include <windows.h>
#include "vds.h"
HRESULT SynchronousCreateLun(IVdsSubSystem*, VDS_LUN_TYPE, ULONGLONG, VDS_OBJECT_ID*, LONG, LPWSTR, VDS_HINTS*, IVdsLun**);
int main() {
  IVdsServiceLoader* loader;
  IVdsService* service;
  IEnumVdsObject* list;
  IUnknown *provider, *subsystem;
  IVdsHwProvider* hardware;
  IVdsSubSystem* array;
  IVdsLun* lun;
  ULONG n;
  WCHAR nobody[] = L"";
  if (CoCreateInstance(CLSID_VdsLoader, NULL, CLSCTX_LOCAL_SERVER, IID_IVdsServiceLoader, (void**)&loader) != S_OK) return 1;
  if (loader->LoadService(NULL, &service) != S_OK || service->WaitForServiceReady() != S_OK) return 2;
  if (service->QueryProviders(VDS_QUERY_HARDWARE_PROVIDERS, &list) != S_OK || list->Next(1, &provider, &n) != S_OK) return 3;
  if (provider->QueryInterface(IID_IVdsHwProvider, (void**)&hardware) != S_OK) return 4;
  if (hardware->QuerySubSystems(&list) != S_OK || list->Next(1, &subsystem, &n) != S_OK) return 5;
  if (subsystem->QueryInterface(IID_IVdsSubSystem, (void**)&array) != S_OK) return 6;
  return SynchronousCreateLun(array, VDS_LT_SIMPLE, 8 << 20, NULL, 0, nobody, NULL, &lun) == S_OK && lun != NULL ? 0 : 7;
}
CODE
  check "a program for it" g++ -std=c++17 "$source/tests/api/seed_compiles.cc" "$work/simple.cc" $(pkg-config --cflags --libs vds) -o "$work/simple"
  check "a LUN through it, by vds.h" "$work/simple"
  [[ $(ls "$work/shelf" | grep -c '[.]lun$') == 2 ]] || fail "there are $(ls "$work/shelf" | wc -l) LUNs, not 2"
  check "vds-provider-check has nothing against it" "$prefix/bin/vds-provider-check" shelf
  first=$(provider_pid)
  kill -9 "$first"
  for ((i = 0; i < 300; i++)); do second=$(provider_pid) && [[ -n $second && $second != "$first" ]] && break || sleep 0.1; done
  [[ -n $second && $second != "$first" ]] || fail "the provider does not come back after a kill -9"
  [[ $("$vds" --json lun list | grep -c '"serial"') == 2 ]] || fail "its LUNs do not come back with it"
  check "vds provider unregister" "$vds" provider unregister shelf
  kill "$service"
  wait "$service" || fail "vdsd ends with $?"
  trap 'rm -rf "$work"' EXIT
  export VDS_SOCKET=$work/nobody
fi

# --- the command line and its papers
check "vds --version" "$prefix/bin/vds" --version
status=0
"$prefix/bin/vds" lun list >/dev/null 2>"$work/err" || status=$?
[[ $status == 3 ]] || fail "vds ends with $status, not 3, when no service is there"
for noun in $("$prefix/bin/vds" __complete ''); do
  verbs=$("$prefix/bin/vds" __complete "$noun" '')
  for verb in ${verbs:-''}; do
    sed 's/\\-/-/g' "$prefix/share/man/man1/vds.1" | grep "vds $noun ${verb/\'\'/}" >/dev/null || fail "vds(1) does not know 'vds $noun $verb'"
  done
done
if command -v man >/dev/null; then
  for page in "$prefix"/share/man/man*/*; do
    warnings=$(LC_ALL=C.UTF-8 MANWIDTH=120 man --warnings -l "$page" 2>&1 >/dev/null || true)
    [[ -z $warnings ]] || fail "$page: $warnings"
  done
fi
check "bash reads the completion" bash -n "$prefix/share/bash-completion/completions/vds"
if command -v systemd-analyze >/dev/null; then
  score=$(systemd-analyze security --offline=true "$prefix/lib/systemd/system/vdsd.service" 2>/dev/null | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p')
  [[ -n $score && $(printf '%s < 2\n' "$score" | awk '{print ($1 < $3)}') == 1 ]] || fail "the unit's exposure is '$score', more than 2"
fi

if [[ $failures != 0 ]]; then
  echo "$failures failures"
  exit 1
fi
echo "all is as promised"
