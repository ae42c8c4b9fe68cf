#!/usr/bin/env bash
# Package registry/live as a Windows program against the registry of Wine, which also compares what Wine's reg writes
# (export, query, import) with our readers of it.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1

check "registry/live builds for windows" env GOOS=windows go build ./registry/...
need_packages wine wine64 python3 || finish
export WINEPREFIX=$CI_TMP/wine WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml=

# Go programs need bcryptprimitives.dll, which Wine 8 does not have: a DLL that is nothing but one forwarded export.
cat >"$CI_TMP/dll.py" <<'PY'
import struct, sys
va, file_at = 0x1000, 0x200
name, func, target = b"bcryptprimitives.dll\0", b"ProcessPrng\0", b"advapi32.SystemFunction036\0"
addresses, names, ordinals, text = va + 40, va + 44, va + 48, va + 50
section = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, text, 1, 1, 1, addresses, names, ordinals)
section += struct.pack("<IIH", text + len(name) + len(func), text + len(name), 0) + name + func + target
size = len(section)
section += bytes(0x200 - size)
head = b"MZ" + bytes(58) + struct.pack("<I", 64)
head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x2022)
head += struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20B, 14, 0, 0, 0x200, 0, 0, va, 0x180000000, 0x1000, 0x200,
                    6, 0, 0, 0, 6, 0, 0, 0x2000, 0x200, 0, 3, 0x100, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
head += struct.pack("<II", va, size) + bytes(120)
head += b".rdata\0\0" + struct.pack("<IIIIIIHHI", len(section), va, 0x200, file_at, 0, 0, 0, 0, 0x40000040)
open(sys.argv[1], "wb").write(head + bytes(file_at - len(head)) + section)
PY

if ! timeout 300 wineboot -i >"$CI_TMP/wineboot.log" 2>&1; then
  bad "wine makes a prefix ($(tail -n 1 "$CI_TMP/wineboot.log"))"
  finish
fi
system=$WINEPREFIX/drive_c/windows/system32
[ -f "$system/bcryptprimitives.dll" ] || python3 "$CI_TMP/dll.py" "$system/bcryptprimitives.dll"

# As go test -exec wine, but with the program's own lines to count.
check "the tests of registry/live build for windows" env GOOS=windows go test -c -o "$CI_TMP/live.test.exe" ./registry/live
out=$(cd "$CI_TMP" && timeout 300 wine live.test.exe -test.v 2>&1)
code=$?
while read -r line; do
  case $line in
    '--- PASS: '*) ok "wine: ${line#--- PASS: }" ;;
    '--- FAIL: '*) bad "wine: ${line#--- FAIL: }" ;;
    '--- SKIP: '*) [ "${line#*TestUnsupported}" != "$line" ] || skip "wine: ${line#--- SKIP: }" ;;
  esac
done < <(printf '%s\n' "$out" | tr -d '\r' | grep '^--- ')
if [ $code != 0 ]; then
  bad "the tests of registry/live pass under wine"
  printf '%s\n' "$out" | tail -n 40 | sed 's/^/        /'
fi
for t in TestApplyAndRead TestFailureTakesBackForReal TestView32 TestLinkIsRefused TestRegExport TestRegQuery TestLargeKey; do
  case $out in *"--- PASS: $t "*) ;; *) bad "$t ran under wine" ;; esac
done
timeout 30 wineserver -k 2>/dev/null
finish
