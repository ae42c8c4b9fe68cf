package scepclient_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smallstep/scep"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/sceptest"
)

var serial atomic.Int64

// certificate makes one certificate of a small hierarchy.
func certificate(t *testing.T, cn string, key crypto.Signer, parent *x509.Certificate, parentKey crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().AddDate(0, -1, 0), NotAfter: time.Now().AddDate(1, 0, 0), BasicConstraintsValid: true,
	}
	if change != nil {
		change(c)
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
	require.NoError(t, err)
	out, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return out
}

func TestAuthenticateChoosesRoles(t *testing.T) {
	rootKey, caKey, raKey := deviceKey(), secondKey(), deviceKey()
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	agent := []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 1}}
	isCA := func(u x509.KeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, u|x509.KeyUsageCertSign }
	}
	ra := func(u x509.KeyUsage, change ...func(*x509.Certificate)) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.KeyUsage, c.UnknownExtKeyUsage = u, agent
			for _, f := range change {
				f(c)
			}
		}
	}
	const sign, enc = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment
	root := certificate(t, "Root", rootKey, nil, nil, isCA(0))
	ca := certificate(t, "CA", caKey, root, rootKey, isCA(sign)) // no keyEncipherment, as micromdm
	raSign := certificate(t, "RA", raKey, ca, caKey, ra(sign))
	raEnc := certificate(t, "RA", raKey, ca, caKey, ra(enc))
	expired := certificate(t, "RA", raKey, ca, caKey, ra(enc, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().AddDate(-2, 0, 0), time.Now().AddDate(0, 0, -1)
	}))
	newer := certificate(t, "RA", raKey, ca, caKey, ra(enc, func(c *x509.Certificate) { c.NotBefore = time.Now().AddDate(0, 0, -1) }))
	noUsage := certificate(t, "RA plain", raKey, ca, caKey, ra(0))
	both := certificate(t, "RA both", raKey, ca, caKey, ra(sign|enc))
	device := certificate(t, "device", raKey, ca, caKey, func(c *x509.Certificate) {
		c.KeyUsage, c.ExtKeyUsage = sign|enc, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	ecCA := certificate(t, "EC CA", ecKey, root, rootKey, isCA(sign))
	decrypter := certificate(t, "decrypter", raKey, ecCA, ecKey, func(c *x509.Certificate) { c.KeyUsage = enc })
	signOnlyDecrypter := certificate(t, "decrypter", raKey, ecCA, ecKey, func(c *x509.Certificate) { c.KeyUsage = sign })
	stranger := certificate(t, "CA", deviceKey(), nil, nil, isCA(sign|enc))
	strangeRA := certificate(t, "RA", raKey, stranger, deviceKey(), ra(enc))
	newerCA := certificate(t, "CA", deviceKey(), root, rootKey, func(c *x509.Certificate) {
		isCA(sign)(c)
		c.NotBefore = time.Now().AddDate(0, 0, -1)
	})

	type certs = []*x509.Certificate
	for name, c := range map[string]struct {
		in            certs
		pin           *x509.Certificate
		more          func(*scepclient.Trust)
		ca, recipient *x509.Certificate
		signers       int
		err           string
	}{
		"single CA":                   {in: certs{ca}, pin: ca, ca: ca, recipient: ca, signers: 1},
		"RA pair 1":                   {in: certs{raSign, raEnc, ca}, pin: ca, ca: ca, recipient: raEnc, signers: 3},
		"RA pair 2":                   {in: certs{raSign, ca, raEnc}, pin: ca, ca: ca, recipient: raEnc, signers: 3},
		"RA pair 3":                   {in: certs{raEnc, raSign, ca}, pin: ca, ca: ca, recipient: raEnc, signers: 3},
		"RA pair 4":                   {in: certs{raEnc, ca, raSign}, pin: ca, ca: ca, recipient: raEnc, signers: 3},
		"RA pair 5":                   {in: certs{ca, raSign, raEnc}, pin: ca, ca: ca, recipient: raEnc, signers: 3},
		"RA pair 6":                   {in: certs{ca, raEnc, raSign}, pin: ca, ca: ca, recipient: raEnc, signers: 3},
		"with root, root pinned":      {in: certs{raSign, root, raEnc, ca}, pin: root, ca: ca, recipient: raEnc, signers: 3},
		"with root, CA pinned":        {in: certs{raSign, root, raEnc, ca}, pin: ca, ca: ca, recipient: raEnc, signers: 3},
		"expired twin":                {in: certs{expired, raSign, raEnc, ca}, pin: ca, ca: ca, recipient: raEnc, signers: 3},
		"newest twin":                 {in: certs{raEnc, newer, raSign, ca}, pin: ca, ca: ca, recipient: newer, signers: 4},
		"only expired RA":             {in: certs{expired, ca}, pin: ca, ca: ca, recipient: ca, signers: 1},
		"RA without key usage":        {in: certs{noUsage, ca}, pin: ca, ca: ca, recipient: noUsage, signers: 2},
		"one RA for both":             {in: certs{ca, both}, pin: ca, ca: ca, recipient: both, signers: 2},
		"EC CA with decrypter":        {in: certs{decrypter, ecCA}, pin: ecCA, ca: ecCA, recipient: decrypter, signers: 2},
		"EC CA, decrypter signs only": {in: certs{ecCA, signOnlyDecrypter}, pin: ecCA, ca: ecCA, recipient: signOnlyDecrypter, signers: 2},
		"EC CA alone":                 {in: certs{ecCA}, pin: ecCA, err: "RSA key"},
		"device added on the path":    {in: certs{device, ca}, pin: ca, ca: ca, recipient: ca, signers: 1},
		"device pinned as RA":         {in: certs{device, ca}, pin: ca, more: func(t *scepclient.Trust) { t.Pins = append(t.Pins, scepclient.Fingerprint(device)) }, ca: ca, recipient: device, signers: 2},
		"RA of another CA":            {in: certs{strangeRA, ca}, pin: ca, ca: ca, recipient: ca, signers: 1},
		"other CA of that name":       {in: certs{stranger, strangeRA}, pin: ca, err: "pinned fingerprint"},
		"RA pinned":                   {in: certs{raSign, raEnc, ca}, pin: raEnc, ca: ca, recipient: raEnc, signers: 2},
		"CA twins, root pinned":       {in: certs{ca, newerCA, root}, pin: root, ca: newerCA, recipient: newerCA, signers: 1},
		"roots, root not sent":        {in: certs{raSign, raEnc, ca}, more: func(t *scepclient.Trust) { t.Roots = certs{root} }, ca: ca, recipient: raEnc, signers: 3},
		"roots, only RAs sent":        {in: certs{raSign, raEnc}, more: func(t *scepclient.Trust) { t.Roots = certs{ca} }, ca: ca, recipient: raEnc, signers: 3},
		"root pinned and given":       {in: certs{raSign, raEnc, ca}, pin: root, more: func(t *scepclient.Trust) { t.Roots = certs{root} }, ca: ca, recipient: raEnc, signers: 3},
		"pin and root disagree":       {in: certs{raSign, raEnc, ca}, pin: stranger, more: func(t *scepclient.Trust) { t.Roots = certs{root} }, err: "pinned fingerprint"},
		"root pinned but not sent":    {in: certs{ca}, pin: root, err: "Trust.Roots"},
		"nothing pinned":              {in: certs{ca}, err: "no pin"},
		"insecure":                    {in: certs{raSign, raEnc, ca}, more: func(t *scepclient.Trust) { t.Insecure = true }, ca: ca, recipient: raEnc, signers: 3},
		"bad pin":                     {in: certs{ca}, more: func(t *scepclient.Trust) { t.Pins = []string{"12:34"} }, err: "64 hex digits"},
	} {
		t.Run(name, func(t *testing.T) {
			var trust scepclient.Trust
			if c.pin != nil {
				trust.Pins = []string{scepclient.Fingerprint(c.pin)}
			}
			if c.more != nil {
				c.more(&trust)
			}
			set, err := trust.Authenticate(c.in, time.Now())
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.ErrorIs(t, err, scepclient.ErrUntrusted)
				return
			}
			require.NoError(t, err)
			require.True(t, c.ca.Equal(set.CA), set.CA.Subject)
			require.True(t, c.recipient.Equal(set.Recipient), set.Recipient.Subject)
			require.Len(t, set.Signers, c.signers)
		})
	}
}

func TestServerShapes(t *testing.T) {
	for name, cfg := range map[string]sceptest.Config{
		"single":           {},
		"with root":        {IncludeRoot: true},
		"RA pair":          {RA: true},
		"RA pair reversed": {RA: true, Order: []int{2, 1, 0}},
		"EC CA":            {ECCA: true},
		"EC CA, CA first":  {ECCA: true, Order: []int{1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			ca := sceptest.New(t, cfg)
			_, err := client(ca).Enrol(t.Context(), request())
			require.NoError(t, err)
		})
	}
}

func TestRecipientSelector(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{RA: true})
	cl := client(ca)
	cl.Recipient = scep.NopCertsSelector()
	_, err := cl.GetCACert(t.Context())
	require.ErrorIs(t, err, scepclient.ErrUntrusted)
	cl.Recipient = scep.CertsSelectorFunc(func(cs []*x509.Certificate) []*x509.Certificate { return cs[:1] })
	set, err := cl.GetCACert(t.Context())
	require.NoError(t, err)
	require.True(t, set.Recipient.Equal(ca.Issuing))
}

func TestSIDs(t *testing.T) {
	const sid = "S-1-5-21-1004336348-1177238915-682003330-1104"
	ca := sceptest.New(t, sceptest.Config{})
	req := request()
	req.Template.SID = sid
	req.Template.UPNs = []string{"ada@ashdown.example"}
	iss, err := client(ca).Enrol(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, []string{sid}, scepclient.SIDs(iss.Certificate))
	require.Equal(t, "tag:microsoft.com,2022-09-14:sid:"+sid, iss.Certificate.URIs[0].String())

	ext, err := asn1.Marshal([]asn1.RawValue{{Class: 2, Tag: 0, IsCompound: true, Bytes: append(
		must(asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2, 1})),
		must(asn1.Marshal(asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: must(asn1.Marshal([]byte(sid)))}))...)}})
	require.NoError(t, err)
	require.Equal(t, []string{sid}, scepclient.SIDs(&x509.Certificate{Extensions: []pkix.Extension{{Id: scepclient.OIDSIDExtension, Value: ext}}}))
	require.Empty(t, scepclient.SIDs(&x509.Certificate{Extensions: []pkix.Extension{{Id: scepclient.OIDSIDExtension, Value: ext[:9]}}}))
	for _, s := range []string{"", "S-1", "S-1-5-21-x", "s 1 5"} {
		_, err := scepclient.SIDURI(s)
		require.Error(t, err, s)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
