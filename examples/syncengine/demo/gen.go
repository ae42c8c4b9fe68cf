//go:build ignore

// Gen writes the two directories of the demonstration: go run gen.go. The same program gives the same files.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

var given = strings.Fields("Ann Bashir Carys Dmitri Eleri Femi Gwen Hamish Ines Jaswinder Kofi Leila Magnus Niamh Oluwaseun Priya Quentin Rhona Søren Tamsin Ursula Vikram Winifred Xanthe Yusuf Zoë")
var family = strings.Fields("Oakley Thornbury Penhaligon Okafor Llewellyn Ashworth O'Neill MacAskill Żurawska Bhattacharya Fotheringay Nuñez Trevithick Adeyemi Castellanos Haverford Kowalczyk Ng Rashid Björk")
var titles = []string{"Nurse", "Staff nurse", "Consultant", "Healthcare assistant", "Porter", "Pharmacist", "Radiographer", "Ward clerk", "Physiotherapist", "Systems administrator"}
var wards = []string{"Cardiology", "Theatre", "Maternity", "Emergency", "Radiology", "Pharmacy", "Outpatients", "Estates"}

const users, devices = 260, 64

func guid(name string) ldapsync.GUID {
	h := sha256.Sum256([]byte("ashdown vale/" + name))
	h[7] = h[7]&0x0f | 0x40 // version 4, in the byte order of the wire
	h[8] = h[8]&0x3f | 0x80
	return ldapsync.GUID(h[:16])
}

func attr(w *bufio.Writer, name, value string) {
	plain := true
	for i, c := range []byte(value) {
		if c >= 0x80 || c < ' ' || i == 0 && strings.IndexByte(" :<", c) >= 0 || i == len(value)-1 && c == ' ' {
			plain = false
		}
	}
	line := name + ": " + value
	if !plain {
		line = name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
	}
	for first := true; len(line) > 0; first = false {
		n := min(len(line), 76)
		if !first {
			w.WriteByte(' ')
			n = min(len(line), 75)
		}
		w.WriteString(line[:n] + "\n")
		line = line[n:]
	}
}

func record(w *bufio.Writer, dn string, pairs ...string) {
	attr(w, "dn", dn)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			attr(w, pairs[i], pairs[i+1])
		}
	}
	w.WriteByte('\n')
}

// certificate is what Automatic-Device-Join writes: self-signed, for ten years.
func certificate(cn string, from time.Time, years int) string {
	seed := sha256.Sum256([]byte(cn))
	key := ed25519.NewKeyFromSeed(seed[:])
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(int64(seed[0]) + 1), Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: from.AddDate(years, 0, 0)}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(der)
}

func main() {
	src, done := create("ashdown.ldif")
	dst, done2 := create("provisioning.ldif")
	defer done()
	defer done2()
	ou := func(w *bufio.Writer, dn string) {
		record(w, dn, "objectClass", "organizationalUnit", "objectGUID", guid(dn).Raw())
	}
	const usersOU = "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"
	const devicesOU = "OU=HybridComputers,DC=ashdown,DC=example"
	const people = "OU=Ashdown Vale,OU=People,DC=prov,DC=example"
	fmt.Fprint(src, "# Ashdown Vale, a trust that does not exist: its Active Directory.\nversion: 1\n\n")
	fmt.Fprint(dst, "# The provisioning directory: the people another product provisioned, and a place for devices.\nversion: 1\n\n")
	for _, dn := range []string{"OU=TANSync,DC=ashdown,DC=example", usersOU, "OU=Night staff," + usersOU, devicesOU, "OU=Starters,DC=ashdown,DC=example"} {
		ou(src, dn)
	}
	for _, dn := range []string{"OU=People,DC=prov,DC=example", people, "OU=Devices,DC=prov,DC=example", "OU=Ashdown Vale,OU=Devices,DC=prov,DC=example"} {
		ou(dst, dn)
	}
	for i := range users {
		g, f := given[i%len(given)], family[(i*7+i/26)%len(family)]
		sam := fmt.Sprintf("%s%03d", strings.ToLower(ascii(f)), i)
		mail := strings.ToLower(ascii(g)) + "." + sam + "@ashdown.example"
		parent, cn := usersOU, fmt.Sprintf("%s %s %03d", g, f, i)
		switch {
		case i == 17:
			cn = fmt.Sprintf("%s, %s %03d", f, g, i) // a comma in the name
		case i == 18:
			cn = fmt.Sprintf("%s \"Bo\" + %s #%03d", g, f, i)
		case i%130 == 40:
			parent = "OU=Night staff," + usersOU // in a child OU, which is not traversed
		case i == 259:
			parent = "OU=Starters,DC=ashdown,DC=example" // the joiner
		}
		title := titles[i%len(titles)]
		if i%13 == 5 {
			title = ""
		}
		uac := "512"
		if i%50 == 31 {
			uac = "514"
		}
		sid, _ := ldapsync.ParseSID(fmt.Sprintf("S-1-5-21-214434701-3963466206-1237063796-%d", 2000+i))
		m := mail
		if i == 60 {
			m = "ward.shared@ashdown.example" // the mailbox of two people
		}
		dn := ldapsync.MustParseDN(parent).Child("CN", cn).String()
		record(src, dn, "objectClass", "user", "objectGUID", guid(sam).Raw(), "objectSid", sid.Raw(), "sAMAccountName", sam,
			"userPrincipalName", sam+"@ashdown.example", "mail", m, "displayName", g+" "+f, "givenName", g, "sn", f,
			"title", title, "department", wards[i%len(wards)], "userAccountControl", uac)
		if i%90 == 77 {
			continue // not provisioned by the other product yet
		}
		tm := mail
		if i == 60 || i == 61 {
			tm = "ward.shared@ashdown.example"
		}
		record(dst, ldapsync.MustParseDN(people).Child("CN", sam).String(), "objectClass", "user", "objectGUID", guid("prov/"+sam).Raw(),
			"sAMAccountName", "av-"+sam, "userPrincipalName", strings.TrimSuffix(mail, "ashdown.example")+"prov.example", "mail", tm,
			"displayName", g+" "+f, "userAccountControl", "512")
	}
	for i := range devices {
		name := fmt.Sprintf("AVPC-%03d", i)
		id := guid(name)
		from := time.Date(2024, 3, 1+i%28, 8, 0, 0, 0, time.UTC)
		cert, uac, os, version := certificate(id.String(), from, 10), "4096", "Windows 11 Enterprise", "10.0 (26100)"
		switch {
		case i%16 == 3:
			cert = "" // Automatic-Device-Join has not run yet
		case i%32 == 9:
			cert = certificate(id.String(), from.AddDate(-11, 0, 0), 10)
		case i%32 == 10:
			cert = certificate(strings.ToLower(name)+".ashdown.example", from, 5) // enterprise PKI only
		case i%32 == 11:
			uac = "4098"
		case i%8 == 5:
			os, version = "Windows 10 Enterprise", "10.0 (19045)"
		}
		sid, _ := ldapsync.ParseSID(fmt.Sprintf("S-1-5-21-214434701-3963466206-1237063796-%d", 5000+i))
		record(src, ldapsync.MustParseDN(devicesOU).Child("CN", name).String(), "objectClass", "computer", "objectGUID", id.Raw(), "objectSid", sid.Raw(),
			"sAMAccountName", name+"$", "dNSHostName", strings.ToLower(name)+".ashdown.example", "operatingSystem", os,
			"operatingSystemVersion", version, "userAccountControl", uac, "userCertificate", cert)
	}
}

func create(name string) (*bufio.Writer, func()) {
	f, err := os.Create(name)
	if err != nil {
		panic(err)
	}
	w := bufio.NewWriter(f)
	return w, func() { w.Flush(); f.Close() }
}

// ascii spells a name for an account name.
func ascii(s string) string {
	r := strings.NewReplacer("Ż", "Z", "ż", "z", "ñ", "n", "ö", "o", "ø", "o", "ë", "e", "'", "")
	s = r.Replace(s)
	for _, c := range []byte(s) {
		if c >= 0x80 {
			panic("no spelling for " + hex.EncodeToString([]byte(s)))
		}
	}
	return s
}
