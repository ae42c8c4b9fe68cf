#!/usr/bin/env bash
# What does a program download that imports dsreg and ldapsync? Built outside the module with an empty module cache.
. "$ROOT/.ci/lib.sh"
cp -r "$ROOT/ldapsync/testdata/consumer" "$CI_TMP/consumer" && cd "$CI_TMP/consumer" || exit 1
export GOMODCACHE=$CI_TMP/modcache GOFLAGS=-modcacherw
go mod edit -replace "go.internal/hybridkit=$ROOT"
check "go mod tidy" go mod tidy
check "go build" go build -o consumer .
check "the program runs" ./consumer
modules=$(find "$GOMODCACHE/cache/download" -name '*.zip' | sed "s|$GOMODCACHE/cache/download/||; s|/@v/.*||" | sort -u)
printf '        %d modules, %s, program %s:\n' "$(printf '%s\n' "$modules" | grep -c .)" "$(du -sh "$GOMODCACHE" | cut -f1)" "$(du -sh consumer | cut -f1)"
printf '%s\n' "$modules" | sed 's/^/        /'
for heavy in microsoft azure kiota go-ldap bbolt smallstep jcmturner ntlmssp pkcs12; do
  if printf '%s\n' "$modules" | grep -qi "$heavy"; then bad "downloads $heavy"; else ok "does not download $heavy"; fi
done
# The first element of a path outside the standard library has a dot.
if go list -deps . | grep -v '^go.internal/hybridkit\|^consumer.example' | cut -d/ -f1 | grep -q '\.'; then bad "builds more than the standard library"; else ok "builds only the standard library beside hybridkit"; fi
finish
