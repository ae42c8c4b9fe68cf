#!/usr/bin/env bash
# scepenrol against real SCEP servers: micromdm scepserver, and step-ca with replies in AES-256-CBC, single DES and
# AES-256-GCM. Prints a table, and the wall time of enrolments beside micromdm's scepclient.
. "$ROOT/.ci/lib.sh"
need_packages openssl curl || finish
cd "$CI_TMP" || exit 1
bin=$CI_TMP/bin
export GOBIN=$bin
mkdir -p "$bin"
(cd "$ROOT" && go build -o "$bin/scepenrol" ./examples/scepenrol) || { bad "build scepenrol"; finish; }
# The peers are built outside this module, so that nothing of theirs reaches its go.sum.
if ! (cd / && go install github.com/micromdm/scep/v2/cmd/scepserver@v2.3.0 github.com/micromdm/scep/v2/cmd/scepclient@v2.3.0) >micromdm.log 2>&1; then
  skip "micromdm scep could not be built: $(tail -n 1 micromdm.log)"
fi
if ! (cd / && CGO_ENABLED=0 go install github.com/smallstep/certificates/cmd/step-ca@v0.30.2) >stepca-build.log 2>&1; then
  skip "step-ca could not be built: $(tail -n 1 stepca-build.log)"
fi

free_port() { # a port nobody listens on
  local p
  while :; do
    p=$((20000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || { echo "$p"; return; }
  done
}
pin() { openssl x509 -in "$1" -noout -fingerprint -sha256 | cut -d= -f2; }
printf 'secret\n' >challenge
printf 'wrong\n' >wrong
table=()
pids=()
stop_all() { local p; for p in ${pids[@]+"${pids[@]}"}; do stop_pid "$p"; done; }
trap stop_all EXIT

# server NAME URL CA REPLY: every operation a server of this kind has; one line of the table.
server() {
  local name=$1 url=$2 pin reply=$4 out=out-${1// /-} line
  pin=$(pin "$3")
  local common=(-url "$url" -pin "$pin" -reply "$reply" -timeout 60s)
  line=$(printf '%-22s' "$name")
  local cell
  for cell in caps cacert enrol renew renew17 wrong; do
    case $cell in
    caps) "$bin/scepenrol" caps "${common[@]}" ;;
    cacert) "$bin/scepenrol" cacert "${common[@]}" ;;
    enrol) "$bin/scepenrol" enrol "${common[@]}" -cn "host-$cell.ashdown.example" -san "host-$cell.ashdown.example" -challenge-file challenge -out "$out" &&
      [ "$(openssl x509 -in "$out/cert.pem" -noout -pubkey)" = "$(openssl pkey -in "$out/key.pem" -pubout)" ] && [ "$(stat -c %a "$out/key.pem")" = 600 ] ;;
    # Both servers want the challenge in a renewal: the ladder ends in a fresh request, and the step with the challenge does it at once.
    renew) "$bin/scepenrol" renew "${common[@]}" -force -challenge-file challenge -out "$out" ;;
    renew17) "$bin/scepenrol" renew "${common[@]}" -force -challenge-file challenge -steps renewalreq+challenge -out "$out" &&
      [ "$(openssl x509 -in "$out/cert.pem" -noout -pubkey)" = "$(openssl pkey -in "$out/key.pem" -pubout)" ] ;;
    wrong) "$bin/scepenrol" enrol "${common[@]}" -cn wrong -challenge-file wrong -out "$out-wrong"; [ $? = 1 ] ;;
    esac >"$out.$cell.log" 2>&1
    if [ $? = 0 ]; then ok "$name: $cell"; line+=$(printf ' %-8s' ok); else bad "$name: $cell"; tail -n 5 "$out.$cell.log" | sed 's/^/        /'; line+=$(printf ' %-8s' FAIL); fi
  done
  table+=("$line")
}

# beside NAME URL CA REPLY WANTED: wall time of enrolments with a ready key, each its own process, in turns with micromdm's
# scepclient. Files are written to memory where there is some: scepenrol waits until its certificate is on the disk and
# scepclient does not, which on a busy disk is all one would see.
beside() {
  [ -x "$bin/scepclient" ] || return
  local i fp mem=$CI_TMP/bench t0 t1 t2 ours theirs
  fp=$(pin "$3")
  openssl genrsa -traditional -out bench.key 2048 2>/dev/null
  mkdir -p "$mem"
  [ -w /dev/shm ] && mem=$(mktemp -d /dev/shm/scep.XXXXXX)
  rm -f ours.times theirs.times
  for i in $(seq 21); do
    rm -rf "$mem"/* && mkdir "$mem/sc" && cp bench.key "$mem/sc/k.pem"
    t0=$(date +%s%N)
    "$bin/scepenrol" enrol -url "$2" -pin "$fp" -reply "$4" -key bench.key -cn bench -challenge-file challenge -out "$mem/out" >bench.log 2>&1 || bad "enrolment $i of the comparison at $1"
    t1=$(date +%s%N)
    "$bin/scepclient" -private-key "$mem/sc/k.pem" -server-url "$2" -challenge secret -cn bench -certificate "$mem/sc/c.pem" >bench-sc.log 2>&1 || bad "scepclient $i of the comparison at $1"
    t2=$(date +%s%N)
    echo $(((t1 - t0) / 1000)) >>ours.times
    echo $(((t2 - t1) / 1000)) >>theirs.times
  done
  rm -rf "$mem"
  ours=$(sort -n ours.times | sed -n 11p) theirs=$(sort -n theirs.times | sed -n 11p)
  printf '  time  enrolment at %s, median of 21: scepenrol %d us, micromdm scepclient %d us\n' "$1" "$ours" "$theirs"
  row "scepenrol: an enrolment at $1, wall time" "$(awk "BEGIN {printf \"%.1f\", $ours / 1000}") ms" "$(awk "BEGIN {printf \"%.1f\", $theirs / 1000}") ms (micromdm scepclient)" "$(awk "BEGIN {printf \"%.2f\", $ours / $theirs}")" "$5"
}

if [ -x "$bin/scepserver" ]; then
  port=$(free_port)
  "$bin/scepserver" ca -init -depot mdm-depot -keySize 2048 -organization "Ashdown Vale" -country GB >mdm-init.log 2>&1
  "$bin/scepserver" -depot mdm-depot -http-addr "127.0.0.1:$port" -challenge secret -allowrenew 0 >mdm.log 2>&1 &
  pids+=($!)
  if wait_for 30 curl -fs "http://127.0.0.1:$port/scep?operation=GetCACaps"; then
    server "micromdm 2.3.0 (DES)" "http://127.0.0.1:$port/scep" mdm-depot/ca.pem lenient
    # Without the knob a single-DES reply is refused, and says which knob.
    "$bin/scepenrol" enrol -url "http://127.0.0.1:$port/scep" -pin "$(pin mdm-depot/ca.pem)" -cn strict -challenge-file challenge -out out-strict >strict.log 2>&1
    [ $? = 1 ] && grep -q ReplyLenient strict.log && ok "single DES reply refused by default" || bad "single DES reply refused by default"
    beside "micromdm scepserver" "http://127.0.0.1:$port/scep" mdm-depot/ca.pem lenient ""
  else bad "micromdm scepserver starts"; tail -n 3 mdm.log; fi
fi

if [ -x "$bin/step-ca" ]; then
  mkdir -p stepca && cd stepca || exit 1
  https=$(free_port) http=$(free_port)
  {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.crt -days 3650 -subj "/O=Ashdown Vale/CN=Ashdown Vale Root CA" -addext "keyUsage=critical,keyCertSign,cRLSign"
    openssl req -new -newkey rsa:2048 -nodes -keyout int.key -out int.csr -subj "/O=Ashdown Vale/CN=Ashdown Vale Issuing CA"
    printf '%s\n' 'basicConstraints=critical,CA:TRUE,pathlen:0' 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature,keyEncipherment' 'subjectKeyIdentifier=hash' 'authorityKeyIdentifier=keyid' >int.ext
    openssl x509 -req -in int.csr -CA root.crt -CAkey root.key -CAcreateserial -days 1825 -extfile int.ext -out int.crt
  } >openssl.log 2>&1
  cat >ca.json <<J
{"root": "root.crt", "federatedRoots": [], "crt": "int.crt", "key": "int.key",
 "address": "127.0.0.1:$https", "insecureAddress": "127.0.0.1:$http", "dnsNames": ["127.0.0.1"], "logger": {"format": "text"},
 "db": {"type": "badgerv2", "dataSource": "db"},
 "authority": {"enableAdmin": false, "provisioners": [
  {"type": "SCEP", "name": "aes", "challenge": "secret", "minimumPublicKeyLength": 2048, "encryptionAlgorithmIdentifier": 2},
  {"type": "SCEP", "name": "des", "challenge": "secret", "minimumPublicKeyLength": 2048, "includeRoot": true},
  {"type": "SCEP", "name": "gcm", "challenge": "secret", "minimumPublicKeyLength": 2048, "encryptionAlgorithmIdentifier": 4}]},
 "tls": {"minVersion": 1.2, "maxVersion": 1.3, "renegotiation": false}}
J
  "$bin/step-ca" ca.json >../stepca.log 2>&1 &
  pids+=($!)
  cd ..
  url=http://127.0.0.1:$http/scep
  if wait_for 60 curl -fs "$url/aes?operation=GetCACaps"; then
    server "step-ca AES-256-CBC" "$url/aes" stepca/int.crt standard
    server "step-ca DES" "$url/des" stepca/int.crt lenient
    server "step-ca AES-256-GCM" "$url/gcm" stepca/int.crt standard
    check "root as local copy instead of a pin" "$bin/scepenrol" cacert -url "$url/aes" -ca-file stepca/root.crt

    beside step-ca "$url/aes" stepca/int.crt standard "≤ 1"
  else bad "step-ca starts"; tail -n 3 stepca.log; fi
fi
printf '\n  %-22s %-8s %-8s %-8s %-8s %-8s %-8s\n' server caps cacert enrol renew renew17 wrong
printf '  %s\n' ${table[@]+"${table[@]}"}
# No secret of this step in any output of ours.
if grep -rl --include='out-*.log' -e 'secret$' -e 'wrong$' . | grep -q .; then bad "no challenge in any output"; else ok "no challenge in any output"; fi
finish
