#!/usr/bin/env bash
# Foreign SCEP clients against sceptest: strongSwan 6, certmonger and micromdm's scepclient enrol, renew and poll at
# the test CA, which is what shows that it is believable. Prints a table.
. "$ROOT/.ci/lib.sh"
cd "$CI_TMP" || exit 1
need_packages openssl || finish
bin=$CI_TMP/bin
export GOBIN=$bin
mkdir -p "$bin"
(cd "$ROOT" && go build -o "$bin/scepenrol" ./examples/scepenrol) || { bad "build scepenrol"; finish; }

pids=()
stop_all() { local p; for p in ${pids[@]+"${pids[@]}"}; do stop_pid "$p"; done; }
trap stop_all EXIT
declare -A url
serve() { # serve NAME FLAGS…: a CA whose certificates are in NAME.*.pem
  local name=$1; shift
  "$bin/scepenrol" testca -ca-out "$CI_TMP/$name" "$@" >"$name.out" 2>&1 &
  pids+=($!)
  wait_for 60 grep -q challenge "$name.out" || { bad "testca $name starts"; finish; }
  url[$name]=$(awk '/^url/{print $2}' "$name.out")
}
serve rfc -mode rfc
serve ndes -mode ndes -root
serve pending -mode rfc -pending 2
serve pending-empty -mode rfc -pending 1 -empty-content

# compared NAME: the wall times of enrolments with a ready key at the RFC 8894 test CA, in microseconds, that are in
# NAME.ours and NAME.theirs.
openssl genrsa -out bench.key 2048 2>/dev/null
printf 'secret' >challenge
chmod 600 challenge bench.key
cat >ours.sh <<S
rm -rf "$CI_TMP/bench-ours"
exec "$bin/scepenrol" enrol -url "${url[rfc]}" -pin "$(awk '/^(pin|fingerprint)/{print $2; exit}' rfc.out)" -key "$CI_TMP/bench.key" -cn bench -challenge-file "$CI_TMP/challenge" -out "$CI_TMP/bench-ours"
S
compared() {
  local ours theirs n
  n=$(wc -l <"$1.theirs")
  if [ "$n" -lt 5 ] || [ "$n" != "$(wc -l <"$1.ours")" ]; then bad "enrolments beside $1: only $n"; return; fi
  ours=$(sort -n "$1.ours" | sed -n "$(((n + 1) / 2))p") theirs=$(sort -n "$1.theirs" | sed -n "$(((n + 1) / 2))p")
  printf '  time  enrolment at the test CA, median of %d: scepenrol %d us, %s %d us\n' "$n" "$ours" "$1" "$theirs"
  row "scepenrol: an enrolment at the test CA, wall time" "$(awk "BEGIN {printf \"%.1f\", $ours / 1000}") ms" "$(awk "BEGIN {printf \"%.1f\", $theirs / 1000}") ms ($1)" "$(awk "BEGIN {printf \"%.2f\", $ours / $theirs}")" ""
}

declare -A result
cell() { # cell CLIENT CASE COMMAND…
  local client=$1 case=$2; shift 2
  if "$@" >"$client-$case.log" 2>&1; then ok "$client: $case"; result[$client,$case]=ok
  else bad "$client: $case"; tail -n 5 "$client-$case.log" | sed 's/^/        /'; result[$client,$case]=FAIL; fi
}
same_key() { [ "$(openssl x509 -in "$1" -noout -pubkey)" = "$(openssl pkey -in "$2" -pubout 2>/dev/null || openssl pkey -inform der -in "$2" -pubout)" ]; }

# micromdm scepclient
if (cd / && go install github.com/micromdm/scep/v2/cmd/scepclient@v2.3.0) >micromdm.log 2>&1; then
  sc() { # sc MODE CHALLENGE EXTRA…
    local mode=$1 challenge=$2; shift 2
    mkdir -p "sc-$mode"
    "$bin/scepclient" -private-key "sc-$mode/k.pem" -server-url "${url[$mode]}" -challenge "$challenge" -cn sc.ashdown.example -dnsname sc.ashdown.example -certificate "sc-$mode/c.pem" "$@" &&
      same_key "sc-$mode/c.pem" "sc-$mode/k.pem"
  }
  sc_wrong() { mkdir -p sc-wrong; ! "$bin/scepclient" -private-key sc-wrong/k.pem -server-url "${url[rfc]}" -challenge wrong -cn sc -certificate sc-wrong/c.pem && [ ! -e sc-wrong/c.pem ]; }
  cell scepclient rfc sc rfc secret
  cell scepclient ndes sc ndes secret -key-encipherment-selector
  cell scepclient renewal sc rfc secret # it has a certificate now, and sends RenewalReq
  cell scepclient wrong sc_wrong
else
  skip "micromdm scepclient could not be built: $(tail -n 1 micromdm.log)"
fi

# certmonger
if need_packages certmonger dbus; then
  mkdir -p cm/home cm/conf
  cat >cm/run.sh <<'S'
/usr/lib/certmonger/certmonger-session -n -d 1 >cm/daemon.log 2>&1 & D=$!
for i in $(seq 50); do getcert list-cas -s >/dev/null 2>&1 && break; sleep 0.2; done
one() { # one CA ID CHALLENGE
  getcert request -s -c "$1" -k "$PWD/cm/$2.key" -f "$PWD/cm/$2.crt" -N "CN=cm.ashdown.example,O=Ashdown Vale" -D cm.ashdown.example -L "$3" -I "$2" -w --wait-timeout=20
  getcert list -s -i "$2" | awk '$1=="status:"{print $2}' >"cm/$2.status"
}
for m in rfc ndes; do
  eval "u=\$URL_$m"
  getcert add-scep-ca -s -c "$m" -u "$u" -N "$PWD/$m.root.pem" -r "$PWD/$m.enc.pem" -I "$PWD/$m.issuing.pem"
  one "$m" "$m" secret
done
getcert rekey -s -i rfc -w --wait-timeout=20
getcert list -s -i rfc | awk '$1=="status:"{print $2}' >cm/rekey.status
# certmonger takes PENDING and FAILURE only with an empty content, as step-ca sends them. It polls later than a check can
# wait for, so that it waits is what can be seen of PENDING.
getcert add-scep-ca -s -c pending -u "$URL_pending" -N "$PWD/pending-empty.root.pem" -r "$PWD/pending-empty.enc.pem" -I "$PWD/pending-empty.issuing.pem"
getcert request -s -c pending -k "$PWD/cm/pending.key" -f "$PWD/cm/pending.crt" -N "CN=cm.ashdown.example" -L secret -I pending -w --wait-timeout=5
getcert list -s -i pending | awk '$1=="status:"{print $2}' >cm/pending.status
one pending refused wrong
for i in 1 2 3 4 5; do
  openssl genrsa -out "$PWD/cm/bench$i.key" 2048 2>/dev/null
  t=$(date +%s%N)
  sh ours.sh && echo $((($(date +%s%N) - t) / 1000)) >>certmonger.ours
  t=$(date +%s%N)
  getcert request -s -c rfc -k "$PWD/cm/bench$i.key" -f "$PWD/cm/bench$i.crt" -N "CN=bench" -L secret -I "bench$i" -w --wait-timeout=20 && echo $((($(date +%s%N) - t) / 1000)) >>certmonger.theirs
done
kill $D
S
  URL_rfc=${url[rfc]} URL_ndes=${url[ndes]} URL_pending=${url[pending-empty]} HOME=$CI_TMP/cm/home XDG_CONFIG_HOME=$CI_TMP/cm/home/.config CERTMONGER_CONFIG_DIR=$CI_TMP/cm/conf \
    timeout 150 dbus-run-session -- bash cm/run.sh >certmonger.log 2>&1
  is() { local s; s=$(cat "cm/$1.status"); shift; case " $* " in *" $s "*) return 0 ;; esac; echo "status is '$s', want $*"; tail -n 3 certmonger.log; return 1; }
  cell certmonger rfc is rfc MONITORING
  cell certmonger ndes is ndes MONITORING
  cell certmonger renewal is rekey MONITORING
  cell certmonger wrong is refused CA_REJECTED
  cell certmonger pending is pending CA_WORKING MONITORING
  compared certmonger # a service: what its user waits for
fi

# strongSwan: 6.0 speaks SCEP as RFC 8894 has it; the 5.9.8 of Debian 12 cannot read capability lists. So a chroot of
# Debian 13 is made, unless this is one.
strongswan=(strongswan-pki libstrongswan-standard-plugins libstrongswan-extra-plugins)
chroot=()
root=
if [ "$(. /etc/os-release; echo "${VERSION_ID:-0}")" -ge 13 ] 2>/dev/null; then
  need_packages "${strongswan[@]}" && root=$CI_TMP/sw
elif [ "$(id -u)" = 0 ] && need_packages debootstrap; then
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  opts=()
  [ -e "$keys" ] && opts=(--keyring="$keys")
  if debootstrap "${opts[@]}" --variant=minbase --include="$(IFS=,; echo "${strongswan[*]}")" trixie "$CI_TMP/trixie" >debootstrap.log 2>&1; then
    root=$CI_TMP/trixie/sw chroot=(chroot "$CI_TMP/trixie")
    for m in proc sys dev/pts dev; do # should debootstrap leave any mounted, the folder could not be removed safely
      mountpoint -q "$CI_TMP/trixie/$m" && umount "$CI_TMP/trixie/$m"
    done
  else
    skip "Debian 13 with strongSwan 6 could not be set up: $(tail -n 1 debootstrap.log)"
  fi
else
  skip "strongSwan 6 needs Debian 13, or root to set it up in a folder"
fi
if [ -n "$root" ]; then
  mkdir -p "$root"
  cp ./*.pem "$root"
  inside=/sw
  [ ${#chroot[@]} = 0 ] && inside=$root
  pki() { ${chroot[@]+"${chroot[@]}"} sh -c 'cd "$0" && exec pki "$@"' "$inside" "$@"; }
  pki --gen --type rsa --size 2048 --outform der >"$root/k1.der" 2>sw.log
  pki --gen --type rsa --size 2048 --outform der >"$root/k2.der" 2>>sw.log
  sw_enrol() { # sw_enrol MODE KEY OUT CHALLENGE EXTRA…
    local mode=$1 key=$2 out=$3 challenge=$4 ca=$1; shift 4
    local pw=()
    [ -n "$challenge" ] && pw=(--password "$challenge")
    timeout 60 ${chroot[@]+"${chroot[@]}"} sh -c 'cd "$0" && exec pki "$@"' "$inside" --scep --url "${url[$mode]}" --in "$key.der" --dn "C=GB, O=Ashdown Vale, CN=sw.ashdown.example" --san sw.ashdown.example \
      "${pw[@]}" --cacert-enc "$ca.enc.pem" --cacert-sig "$ca.sign.pem" --cacert "$ca.root.pem" --cacert "$ca.issuing.pem" --interval 1 --maxpolltime 20 --outform pem "$@" >"$root/$out.pem" 2>"$out.err"
  }
  sw() { # and what came of it
    sw_enrol "$@" && grep -q 'Issued certificate is trusted' "$3.err" && same_key "$root/$3.pem" "$root/$2.der" || { cat "$3.err"; return 1; }
  }
  sw_wrong() { ! sw rfc k2 sw-wrong wrong && grep -q badRequest sw-wrong.err; }
  cell strongSwan rfc sw rfc k1 sw-rfc secret
  cell strongSwan ndes sw ndes k1 sw-ndes secret --cipher des3
  cell strongSwan pending sw pending k1 sw-pending secret
  cell strongSwan renewal sw rfc k2 sw-renewal "" --cert sw-rfc.pem --key k1.der # RenewalReq with a new key and no challenge
  cell strongSwan wrong sw_wrong
  for _ in 1 2 3 4 5 6 7 8 9 10 11; do
    t=$(date +%s%N)
    sh ours.sh >bench.log 2>&1 && echo $((($(date +%s%N) - t) / 1000)) >>strongSwan.ours
    t=$(date +%s%N)
    sw_enrol rfc k1 sw-bench secret >bench.log 2>&1 && echo $((($(date +%s%N) - t) / 1000)) >>strongSwan.theirs
  done
  compared strongSwan
fi

printf '\n  %-12s %-8s %-8s %-8s %-8s %-8s\n' 'at sceptest' rfc ndes pending renewal wrong
for c in scepclient certmonger strongSwan; do
  printf '  %-12s' "$c"
  for k in rfc ndes pending renewal wrong; do printf ' %-8s' "${result[$c,$k]:--}"; done
  echo
done
finish
