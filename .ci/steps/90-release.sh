# The release script: the same bytes twice, a version in the binaries, a bill of materials that names what is in them.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1
if [ -n "$(git status --porcelain 2>/dev/null || echo none)" ]; then
  skip "release: needs a committed tree"
  finish
fi
check "release for linux/amd64" .ci/release "$CI_TMP/one" linux/amd64
check "and again" .ci/release "$CI_TMP/two" linux/amd64
check "both are the same, byte for byte" cmp "$CI_TMP/one/SHA256SUMS" "$CI_TMP/two/SHA256SUMS"
check "the checksums are right" sh -c "cd $CI_TMP/one && sha256sum --quiet -c SHA256SUMS"
tar -C "$CI_TMP" -xzf "$CI_TMP/one/hybridkit-linux-amd64.tar.gz"
rev=$(git rev-parse --short=12 HEAD)
for tool in "$CI_TMP"/hybridkit-linux-amd64/*; do
  case $tool in *.md | *LICENSE) continue ;; esac
  case $("$tool" version) in
  "$(basename "$tool"), "*"revision $rev"*) ok "$(basename "$tool") says which revision it is" ;;
  *) bad "$(basename "$tool") says: $("$tool" version)" ;;
  esac
done
n=$(grep -c '"purl"' "$CI_TMP/one/bom.json")
[ "$n" -gt 10 ] && ok "the bill of materials names $n modules" || bad "the bill of materials names $n modules"
if [ "$(grep -c '"hybridkit:used-by"' "$CI_TMP/one/bom.json")" = "$n" ] && ! grep -q '"value": ""' "$CI_TMP/one/bom.json"; then ok "each is used by a tool that is named"; else bad "a module is used by nothing"; fi
used=$(/usr/bin/env python3 - "$CI_TMP/one/bom.json" <<'PY'
import json, sys
bad = {"dsregcheck", "regcheck", "offboard"}
for c in json.load(open(sys.argv[1]))["components"]:
    if c["name"] != "std" and not c["name"].startswith("golang.org/x/") and bad & set(c["properties"][0]["value"].split()):
        print(c["name"])
PY
)
[ -z "$used" ] && ok "dsregcheck, regcheck and offboard hold nothing but the standard library and golang.org/x" || bad "dsregcheck, regcheck or offboard hold: $used"
finish
