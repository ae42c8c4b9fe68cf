#!/usr/bin/env bash
# Package registry/regfile against Wine's reg.exe: what it imports from our case list, and what it exports and prints; and package
# registry/regpol against Samba's reader, on the same file in the same run.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1

if need_packages wine wine64 python3; then
  export WINEPREFIX=$CI_TMP/wine WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= DISPLAY=
  timeout 300 wine wineboot -i >/dev/null 2>&1
  go build -o "$CI_TMP/regcheck" ./examples/regcheck || { bad "build regcheck"; finish; }
  rc=$CI_TMP/regcheck
  if out=$(HYBRIDKIT_WINE=wine go test -count=1 -v -run 'TestWine$' ./registry/regfile 2>&1); then
    ok "reg import:$(printf '%s\n' "$out" | sed -n 's/.*_test\.go:[0-9]*: / /p')"
  else
    bad "reg import of the case list"; printf '%s\n' "$out" | tail -n 30
  fi

  # What regcheck emits is imported; what reg exports and prints is read back.
  cd "$CI_TMP" || exit 1
  "$rc" emit -schema guide-ndes -as reg -o want.reg 2>/dev/null
  "$rc" emit -schema guide-cdj -as reg -o cdj.reg 2>/dev/null
  wine reg import want.reg >/dev/null 2>&1 && wine reg import cdj.reg >/dev/null 2>&1 && ok "reg import takes what regcheck emits" || bad "reg import of emitted files"
  mscep='HKLM\SOFTWARE\Microsoft\Cryptography\MSCEP' http='HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters'
  schannel='HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL'
  i=0
  for k in "$mscep" "$http" "$schannel" 'HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD'; do
    i=$((i + 1))
    wine reg export "$k" "k$i.reg" /y >/dev/null 2>&1
    wine reg query "$k" /s >"k$i.txt" 2>/dev/null
    "$rc" convert -to reg -o "again$i.reg" "k$i.reg" && cmp -s "k$i.reg" "again$i.reg" && ok "export of $k: same bytes" || bad "export of $k: other bytes"
    "$rc" diff "k$i.reg" "k$i.txt" >diff.txt 2>&1 && ok "query of $k: same values" || { bad "query of $k"; head -n 5 diff.txt; }
  done
  "$rc" check -schema guide-ndes -together k1.reg k2.reg k3.reg >/dev/null 2>&1 && ok "no drift after the import" || bad "drift after the import"
  # regcheck as a Windows program reads the live registry.
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
  if GOOS=windows go build -C "$ROOT" -o "$CI_TMP/regcheck.exe" ./examples/regcheck; then
    python3 "$CI_TMP/dll.py" "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll"
    out=$(timeout 120 wine regcheck.exe check -schema guide-ndes 2>&1)
    [ $? = 0 ] && ok "regcheck.exe: $(printf '%s' "$out" | tr -d '\r')" || { bad "regcheck.exe check on the live registry"; printf '%s\n' "$out" | head -n 10; }
    timeout 120 wine regcheck.exe check -schema mdm >live.txt 2>&1
    [ $? = 1 ] && grep -q 'error missing.*AutoEnrollMDM' live.txt && ok "regcheck.exe: AutoEnrollMDM is missing" || { bad "regcheck.exe check -schema mdm"; head -n 5 live.txt; }
  else
    bad "regcheck builds for windows"
  fi
  "$rc" emit -schema guide-ndes -as reg-add-batch -remove -o remove.cmd 2>/dev/null
  # Wine's reg knows no /reg:64, which is the default there anyway.
  sed -i 's, /reg:64,,' remove.cmd
  wine cmd /c remove.cmd >/dev/null 2>&1
  wine reg query "$mscep" /s >left.txt 2>/dev/null
  grep -q 'Template' left.txt && bad "emitted reg delete lines leave values" || ok "emitted reg delete lines take the values away"
  wine wineserver -k >/dev/null 2>&1
  # The registry of the prefix itself, as Wine exports it: thousands of values.
  wine reg export 'HKLM\SOFTWARE' big.reg /y >/dev/null 2>&1
  if "$rc" dump big.reg >big.txt 2>err.txt; then
    "$rc" convert -to reg -o big2.reg big.reg
    cmp -s big.reg big2.reg && ok "export of HKLM\\SOFTWARE, $(wc -l <big.txt) values and $(($(stat -c %s big.reg) / 1024)) KB: same bytes" || {
      # Wine escapes line breaks in strings, which this package, like the rule for Windows, writes as hex(1).
      "$rc" diff big.reg big2.reg >diff.txt 2>&1 && ok "export of HKLM\\SOFTWARE, $(wc -l <big.txt) values: same values, line breaks written as hex" || { bad "export of HKLM\\SOFTWARE"; head -n 5 diff.txt; }
    }
  else
    bad "export of HKLM\\SOFTWARE: $(head -n 1 err.txt)"
  fi
  wine wineserver -k >/dev/null 2>&1
  cd "$ROOT" || exit 1
fi

if need_packages python3-samba; then
  cat >"$CI_TMP/preg.py" <<'PY'
import sys, time
from samba.dcerpc import preg
from samba.ndr import ndr_unpack, ndr_pack
data = open(sys.argv[1], 'rb').read()
seconds = 1e9
for _ in range(3):
    start = time.time()
    f = ndr_unpack(preg.file, data)
    seconds = min(seconds, time.time() - start)
assert ndr_pack(f) == data
print(len(f.entries), seconds)
PY
  read -r ours entries < <(HYBRIDKIT_POL=$CI_TMP/big.pol go test -count=1 -v -run TestSpeedFile ./registry/regpol 2>&1 | sed -n 's/.*seconds \([0-9.e-]*\) entries \([0-9]*\).*/\1 \2/p')
  read -r count samba < <(/usr/bin/python3 "$CI_TMP/preg.py" "$CI_TMP/big.pol" 2>&1)
  mb=$(($(stat -c %s "$CI_TMP/big.pol") / 1000000))
  if [ "${count:-0}" = "${entries:-1}" ] && awk "BEGIN{exit !($ours < $samba)}"; then
    row "registry/regpol: a Registry.pol of $mb MB" "$(awk "BEGIN{printf \"%.0f MB/s\", $mb/$ours}")" "$(awk "BEGIN{printf \"%.0f MB/s\", $mb/$samba}") (Samba's NDR reader)" "$(awk "BEGIN{printf \"%.2f\", $ours/$samba}")" "≤ 1, ≥ 500 MB/s"
    ok "Registry.pol of $mb MB, $entries entries as Samba counts them: $(awk "BEGIN{printf \"%.0f MB/s, Samba %.0f MB/s\", $mb/$ours, $mb/$samba}")"
  else
    bad "Registry.pol against Samba: ${entries:-no} entries in ${ours:-?} s, Samba ${count:-no} in ${samba:-?} s"
  fi
fi
finish
