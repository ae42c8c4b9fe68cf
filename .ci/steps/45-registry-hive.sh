#!/usr/bin/env bash
# Package registry/hive against libhivex, value by value: hives of the sample corpus, a hive of more than 10 MB that holds
# the registry of a Wine prefix, a hive with every form of record, and a user's hive made by Windows; and its speed
# against the other Go reader of hives, on the same file in the same run.
. "$ROOT/.ci/lib.sh"
cd "$ROOT" || exit 1

need_packages wine wine64 python3-hivex || finish
export WINEPREFIX=$CI_TMP/wine WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml=
hives=$CI_TMP/hives
mkdir -p "$hives" "$CI_TMP/peer"

# The registry of a fresh prefix, several times over, as a hive written by libhivex.
cat >"$CI_TMP/build.py" <<'PY'
import hivex, re, struct, sys
out, exports = sys.argv[1], sys.argv[2:]

def minimal():
    """A hive of one empty root key, for libhivex to fill."""
    sd = bytes.fromhex("010004801400000024000000000000003400000001020000000000052000000020020000"
                       "01020000000000052000000020020000" "02001c000100000000001400ff000f00010100000000000512000000")
    nk = b"nk" + struct.pack("<HQIIIIIIIIIIIIIIIHH", 0x2C, 132539328000000000, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0,
                             0xFFFFFFFF, 0x80, 0xFFFFFFFF, 0, 0, 0, 0, 0, 4, 0) + b"ROOT"
    sk = b"sk" + struct.pack("<HIIII", 0, 0x80, 0x80, 1, len(sd)) + sd
    def cell(b):
        n = (len(b) + 4 + 7) & ~7
        return struct.pack("<i", -n) + b + bytes(n - 4 - len(b))
    body = cell(nk)
    body += struct.pack("<i", 0x80 - 0x20 - len(body)) + bytes(0x80 - 0x20 - len(body) - 4)
    body += cell(sk)
    free = 4096 - 32 - len(body)
    bins = b"hbin" + struct.pack("<IIIIQI", 0, 4096, 0, 0, 132539328000000000, 0) + body + struct.pack("<i", free) + bytes(free - 4)
    base = bytearray(b"regf" + struct.pack("<IIQIIIIIII", 1, 1, 132539328000000000, 1, 3, 0, 1, 32, 4096, 1) + bytes(4096 - 48))
    x = 0
    for i in range(0, 508, 4):
        x ^= struct.unpack_from("<I", base, i)[0]
    struct.pack_into("<I", base, 508, x)
    return bytes(base) + bins

open(out, "wb").write(minimal())
h = hivex.Hivex(out, write=True)

def parse(path):
    """Keys and values of a file that reg export wrote."""
    text = open(path, encoding="utf-16").read().replace("\\\r\n  ", "").replace("\\\n  ", "")
    key, values = None, []
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            if key is not None:
                yield key, values
            key, values = line[1:-1], []
            continue
        m = re.match(r'(@|"((?:[^"\\]|\\.)*)")=(.*)$', line)
        if not m:
            continue
        name = "" if m[1] == "@" else re.sub(r"\\(.)", r"\1", m[2])
        data = m[3]
        if data.startswith('"') and data.endswith('"'):
            t, b = 1, (re.sub(r"\\(.)", r"\1", data[1:-1]) + "\0").encode("utf-16-le", "surrogatepass")
        elif data.startswith("dword:"):
            t, b = 4, struct.pack("<I", int(data[6:], 16))
        elif (x := re.match(r"hex(?:\(([0-9a-f]+)\))?:(.*)$", data)):
            t, b = int(x[1] or "3", 16), bytes(int(p, 16) for p in x[2].split(",") if p)
        else:
            continue
        values.append({"key": name, "t": t, "value": b})
    if key is not None:
        yield key, values

def ascii_only(s):
    return all(31 < ord(c) < 127 for c in s)

keys = {}
def node(parts):
    t = tuple(p.lower() for p in parts)
    if not parts:
        return h.root()
    if t not in keys:
        keys[t] = h.node_add_child(node(parts[:-1]), parts[-1])
    return keys[t]

sources = [list(parse(p)) for p in exports]
for copy in range(4):
    for entries in sources:
        for key, values in entries:
            parts = key.split("\\")
            if not all(map(ascii_only, parts)):
                continue  # this version of libhivex cannot write such names
            n = node(["Copy%d" % copy] + parts)
            values = [v for v in values if ascii_only(v["key"])]
            if values:
                h.node_set_values(n, values)
odd = node(["Lengths"])
h.node_set_values(odd, [{"key": "n%d" % i, "t": 3, "value": bytes(range(i))} for i in range(0, 60)]
                  + [{"key": "big%d" % i, "t": 3, "value": bytes(i % 251 for i in range(n))} for i, n in enumerate((16343, 16344, 16345, 60000))])
h.commit(None)
PY

# What libhivex reads, one key per line.
cat >"$CI_TMP/dump.py" <<'PY'
import hashlib, hivex, json, sys
h = hivex.Hivex(sys.argv[1])
stack = [(h.root(), "")]
while stack:
    n, path = stack.pop()
    values = []
    for v in h.node_values(n):
        t, b = h.value_value(v)
        d = {"name": h.value_key(v), "type": t & 0xFFFFFFFF, "size": len(b)}
        d.update({"hex": b.hex()} if len(b) <= 4096 else {"sha256": hashlib.sha256(b).hexdigest()})
        values.append(d)
    print(json.dumps({"key": path, "values": values}))
    for c in h.node_children(n):
        stack.append((c, path + "\\" + h.node_name(c)))
PY

if ! timeout 300 wineboot -i >"$CI_TMP/wineboot.log" 2>&1; then
  bad "wine makes a prefix ($(tail -n 1 "$CI_TMP/wineboot.log"))"
  finish
fi
exports=()
for k in 'HKLM\Software' 'HKLM\System' 'HKCU'; do
  name=$(printf %s "$k" | tr '\\' -).reg
  check "wine exports $k" bash -c 'cd "$1" && timeout 60 wine reg export "$2" "$3" /y' - "$CI_TMP" "$k" "$name"
  exports+=("$CI_TMP/$name")
done
check "libhivex writes the registry of wine into a hive" /usr/bin/python3 "$CI_TMP/build.py" "$hives/wine.hiv" "${exports[@]}"
wineserver -k 2>/dev/null
size=$(stat -c %s "$hives/wine.hiv" 2>/dev/null || echo 0)
if [ "$size" -ge 10000000 ]; then ok "that hive has $size bytes"; else bad "that hive has only $size bytes"; fi

check "the test builder writes a hive with every form of record" env HYBRIDKIT_WRITE_HIVE="$hives/forms.hiv" go test -run TestWriteHive ./registry/hive

# The peer: its sources bring a hive of a Windows user, too.
peer=www.velocidex.com/golang/regparser version=v0.0.0-20250203141505-31e704a67ef7
cat >"$CI_TMP/peer/go.mod" <<MOD
module peer
go 1.26
require go.internal/hybridkit v0.0.0
replace go.internal/hybridkit => $ROOT
MOD
cat >"$CI_TMP/peer/main.go" <<'GO'
package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"www.velocidex.com/golang/regparser"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/hive"
)

func walk(k *regparser.CM_KEY_NODE, path string) (n int) {
	for _, v := range k.Values() {
		_ = v.ValueName()
		if d := v.ValueData(); d != nil {
			n++
		}
	}
	for _, s := range k.Subkeys() {
		n += walk(s, path+"\\"+s.Name())
	}
	return n
}

func main() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	ours, theirs := time.Hour, time.Hour
	a, b := 0, 0
	for range 8 {
		start := time.Now()
		h, err := hive.Open(data, hive.Options{})
		if err != nil {
			panic(err)
		}
		a = 0
		for e, err := range h.Entries(registry.Path{}) {
			if err != nil {
				panic(err)
			}
			if e.Op == registry.Set {
				a++
			}
		}
		ours = min(ours, time.Since(start))
		start = time.Now()
		r, err := regparser.NewRegistry(bytes.NewReader(data))
		if err != nil {
			panic(err)
		}
		b = walk(r.OpenKey(""), "")
		theirs = min(theirs, time.Since(start))
	}
	fmt.Printf("%d values: %v here, %d values: %v with regparser, best of 8\n", a, ours, b, theirs)
	if a < b || ours > theirs {
		os.Exit(1)
	}
}
GO
if out=$(cd "$CI_TMP/peer" && go get "$peer@$version" 2>&1 && go build -mod=mod -o peer . 2>&1); then
  user=$(cd "$CI_TMP/peer" && go list -m -f '{{.Dir}}' "$peer")/testdata/NTUSER.DAT
  [ ! -f "$user" ] || cp "$user" "$hives/ntuser.hiv"
  if out=$("$CI_TMP/peer/peer" "$hives/wine.hiv" 2>&1); then
    a=$(sed -n 's/^[0-9]* values: \([0-9.]*\)ms here.*/\1/p' <<<"$out") b=$(sed -n 's/.* values: \([0-9.]*\)ms with regparser.*/\1/p' <<<"$out") values=${out%% *}
    printf -v a %.1f "$a"
    printf -v b %.1f "$b"
    row "registry/hive: every value of a hive of 57 MB" "$a ms" "$b ms (regparser)" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", b ? a / b : 99 }')" "≤ 1"
    ok "not slower than regparser: $out"
  else bad "slower than regparser: $out"; fi
else
  skip "the other Go reader could not be built: $(printf %s "$out" | tail -n 1)"
fi

# libhivex itself, from C: the same walk over the same hive.
if [ -n "${values:-}" ] && need_packages gcc libc6-dev libhivex-dev; then
  cat >"$CI_TMP/walk.c" <<'C'
#include <hivex.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long walk(hive_h *h, hive_node_h n) {
  long count = 0;
  hive_value_h *values = hivex_node_values(h, n);
  for (hive_value_h *v = values; v && *v; v++) {
    hive_type type;
    size_t size;
    char *name = hivex_value_key(h, *v), *data = hivex_value_value(h, *v, &type, &size);
    if (name && data) count++;
    free(name);
    free(data);
  }
  free(values);
  hive_node_h *children = hivex_node_children(h, n);
  for (hive_node_h *c = children; c && *c; c++) {
    char *name = hivex_node_name(h, *c);
    count += walk(h, *c);
    free(name);
  }
  free(children);
  return count;
}

int main(int argc, char **argv) {
  double best = 1e9;
  long count = 0;
  for (int i = 0; i < 8; i++) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    hive_h *h = hivex_open(argv[1], 0);
    if (!h) { perror(argv[1]); return 1; }
    count = walk(h, hivex_root(h));
    hivex_close(h);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double ms = (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6;
    if (ms < best) best = ms;
  }
  printf("%ld %.1f\n", count, best);
  return 0;
}
C
  if out=$(gcc -O2 -o "$CI_TMP/walk" "$CI_TMP/walk.c" -lhivex 2>&1) && read -r count b < <("$CI_TMP/walk" "$hives/wine.hiv") && [ "${count:-0}" = "${values:-1}" ]; then
    row "registry/hive: the same" "$a ms" "$b ms (libhivex, from C)" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')" ""
    ok "libhivex finds as many: $count values; $a ms here, $b ms there"
  else
    bad "beside libhivex: $values values in $a ms here, ${count:-none} in ${b:-?} ms there: $out"
  fi
fi

for f in "$hives"/*.hiv; do
  if ! /usr/bin/python3 "$CI_TMP/dump.py" "$f" >"$f.expected.jsonl" 2>"$CI_TMP/dump.log"; then
    bad "libhivex reads $(basename "$f"): $(tail -n 1 "$CI_TMP/dump.log")"
    rm -f "$f" "$f.expected.jsonl"
  fi
done
export HYBRIDKIT_HIVES=$hives
if [ -n "$SHARED" ] && [ -d "$SHARED/corpus/registry/hive" ]; then
  export HYBRIDKIT_CORPUS=$SHARED/corpus
else
  skip "no sample corpus here: only the hives made above are compared"
fi
if out=$(go test -count=1 -v -run 'TestCorpus' ./registry/hive 2>&1); then
  while read -r line; do ok "$line"; done < <(printf '%s\n' "$out" | awk '/^=== RUN/ {name=$3} /agree with libhivex/ {sub(/^ *[^ ]* /, ""); print name ": " $0}')
else
  bad "values agree with libhivex"
  printf '%s\n' "$out" | tail -n 40 | sed 's/^/        /'
fi
finish
