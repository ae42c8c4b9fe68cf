// Seed writes the LDIF of two test directories, a source and a target: seed -dir DIR [-users N] [-devices N].
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

const sourceBase, targetBase = "DC=ashdown,DC=example", "DC=prov,DC=example"

func main() {
	dir := flag.String("dir", ".", "folder to write source.ldif and target.ldif to")
	users := flag.Int("users", 2000, "users")
	devices := flag.Int("devices", 200, "devices")
	flag.Parse()
	src := create(filepath.Join(*dir, "source.ldif"))
	dst := create(filepath.Join(*dir, "target.ldif"))
	for _, ou := range []string{"OU=TANSync", "OU=TANSyncUsers,OU=TANSync", "OU=HybridComputers", "OU=Starters"} {
		src.record(ou+","+sourceBase, "objectClass", "organizationalUnit")
	}
	for _, ou := range []string{"OU=People", "OU=Devices"} {
		dst.record(ou+","+targetBase, "objectClass", "organizationalUnit")
	}
	src.record("CN=svc-sync-eng,CN=Users,"+sourceBase, "objectClass", "user", "sAMAccountName", "svc-sync-eng", "userAccountControl", "546")
	dst.record("CN=svc-prov,CN=Users,"+targetBase, "objectClass", "user", "sAMAccountName", "svc-prov", "userAccountControl", "546")
	for i := range *users {
		name := fmt.Sprintf("user%05d", i)
		ou := "OU=TANSyncUsers,OU=TANSync,"
		if i == *users-1 {
			ou = "OU=Starters,"
		}
		src.record("CN="+name+","+ou+sourceBase, "objectClass", "user", "sAMAccountName", name, "userPrincipalName", name+"@ashdown.example",
			"mail", name+"@mail.example", "displayName", fmt.Sprintf("Größe Oakley %d", i), "title", "Nurse", "department", fmt.Sprintf("Ward %d", i%20), "userAccountControl", "546")
		dst.record("CN="+name+",OU=People,"+targetBase, "objectClass", "user", "sAMAccountName", "av-"+name, "mail", name+"@mail.example", "userAccountControl", "546")
	}
	now := time.Now()
	for i := range *devices {
		name := fmt.Sprintf("AVPC-%05d", i)
		h := sha256.Sum256([]byte(name))
		id := ldapsync.GUID(h[:16])
		src.record("CN="+name+",OU=HybridComputers,"+sourceBase, "objectClass", "computer", "objectGUID", id.Raw(), "sAMAccountName", name+"$",
			"dNSHostName", strings.ToLower(name)+".ashdown.example", "operatingSystem", "Windows 11 Enterprise", "operatingSystemVersion", "10.0 (26100)",
			"userAccountControl", "4128", "userCertificate", certificate(id, now))
	}
	src.close()
	dst.close()
}

func certificate(id ldapsync.GUID, now time.Time) string {
	key := ed25519.NewKeyFromSeed(append(id[:], id[:]...))
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id.String()}, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, key.Public(), key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return string(der)
}

type file struct {
	f *os.File
	w *bufio.Writer
}

func create(name string) file {
	f, err := os.Create(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return file{f, bufio.NewWriter(f)}
}

// record writes one entry. Every value but the DN is in base64, which any reader takes.
func (f file) record(dn string, pairs ...string) {
	fmt.Fprintf(f.w, "dn: %s\n", dn)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(f.w, "%s:: %s\n", pairs[i], base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	fmt.Fprintln(f.w)
}

func (f file) close() {
	if err := f.w.Flush(); err == nil {
		f.f.Close()
	}
}
