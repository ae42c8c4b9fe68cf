package ndes_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/ndes"
	"go.internal/hybridkit/scepclient/sceptest"
)

func TestParseEndpoint(t *testing.T) {
	const enrol, admin = "https://ndes01.ashdown.example/certsrv/mscep/mscep.dll", "https://ndes01.ashdown.example/certsrv/mscep_admin/"
	for _, s := range []string{
		"ndes01.ashdown.example", "https://ndes01.ashdown.example", "https://ndes01.ashdown.example/certsrv/mscep/", "https://ndes01.ashdown.example/certsrv/mscep",
		"Https://ndes01.ashdown.example/Certsrv/mscep/mscep.dll/", enrol, enrol + "/pkiclient.exe", admin, " https://ndes01.ashdown.example/CertSrv/mscep_admin ",
	} {
		e, err := ndes.ParseEndpoint(s)
		require.NoError(t, err, s)
		require.Equal(t, ndes.Endpoint{Enrol: enrol, Admin: admin}, e, s)
	}
	e, err := ndes.ParseEndpoint("https://scep-ashdown.msappproxy.net/certsrv/mscep/mscep.dll")
	require.NoError(t, err)
	require.Equal(t, ndes.Endpoint{Enrol: "https://scep-ashdown.msappproxy.net/certsrv/mscep/mscep.dll", AppProxy: true}, e)
	for _, s := range []string{"", "ftp://x/", "https://x/other", "https://user:pw@x/", "://", "https://x/certsrv/mscep/mscep.dll.bak"} {
		_, err := ndes.ParseEndpoint(s)
		require.Error(t, err, s)
		require.NotContains(t, err.Error(), "pw@")
	}
}

func TestTemplateFor(t *testing.T) {
	const sign, enc = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment
	for usage, want := range map[x509.KeyUsage]ndes.TemplateValue{sign: ndes.SignatureTemplate, enc: ndes.EncryptionTemplate, sign | enc: ndes.GeneralPurposeTemplate, 0: ndes.GeneralPurposeTemplate} {
		require.Equal(t, want, ndes.TemplateFor(usage))
		csr, err := scepclient.CreateCSR(&scepclient.Template{KeyUsage: usage}, key(t), scepclient.Secret{})
		require.NoError(t, err)
		got, err := ndes.TemplateForCSR(csr)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := ndes.TemplateForCSR([]byte("no"))
	require.Error(t, err)
}

const (
	head    = "<HTML><Head><Title>Network Device Enrollment Service</Title></Head><Body><P>You will need the following information: "
	thumb   = "<P> The thumbprint (hash value) for the CA certificate is: <B> 0A1B2C3D 4E5F6071 8293A4B5 C6D7E8F9 </B> "
	one     = "<P> The enrollment challenge password is: <B> 9F86D081884C7D65 </B> <P> This password can be used only once and will expire within 60 minutes. "
	many    = "<P> The enrollment challenge password is: <B> 2C26B46B68FFC68FF99B453C1D304134 </B> <P> This password can be used multiple times and will not expire. "
	german  = "<P> Der Fingerabdruck (Hashwert) für das Zertifikat der Zertifizierungsstelle: <B> 0A1B2C3D 4E5F6071 8293A4B5 C6D7E8F9 </B> <P> Kennwort: <B> 9F86D081884C7D65 </B> "
	hashPwd = "0A1B2C3D4E5F60718293A4B5C6D7E8F9"
)

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func utf16be(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return b
}

func TestParsePage(t *testing.T) {
	latin := []byte(strings.ReplaceAll(head+german, "ü", "\xfc"))
	for name, c := range map[string]struct {
		body      []byte
		typ       string
		challenge string
		oneTime   bool
		validity  time.Duration
		err       error
	}{
		"utf-16le":          {utf16le(head + thumb + one), "text/html", "9F86D081884C7D65", true, time.Hour, nil},
		"utf-16le with bom": {append([]byte{0xff, 0xfe}, utf16le(head+thumb+one)...), "", "9F86D081884C7D65", true, time.Hour, nil},
		"utf-16be":          {utf16be(head + thumb + one), "", "9F86D081884C7D65", true, time.Hour, nil},
		"utf-16be with bom": {append([]byte{0xfe, 0xff}, utf16be(head+thumb+one)...), "", "9F86D081884C7D65", true, time.Hour, nil},
		"utf-8":             {[]byte(head + thumb + one), "text/html; charset=utf-8", "9F86D081884C7D65", true, time.Hour, nil},
		"utf-8, wrong type": {[]byte(head + thumb + one), "text/html; charset=utf-16", "9F86D081884C7D65", true, time.Hour, nil},
		"windows-1252":      {latin, "text/html; charset=windows-1252", "9F86D081884C7D65", true, 0, nil},
		"no charset":        {latin, "text/html", "9F86D081884C7D65", true, 0, nil},
		"reusable":          {utf16le(head + thumb + many), "", "2C26B46B68FFC68FF99B453C1D304134", false, 0, nil},
		"no thumbprint":     {utf16le(head + many), "", "2C26B46B68FFC68FF99B453C1D304134", false, 0, nil},
		"cache full":        {utf16le(head + thumb + "<P> The password cache is full. "), "", "", false, 0, ndes.ErrCacheFull},
		"no permission":     {utf16le(head + "<P> You do not have sufficient permission to enroll with SCEP. "), "", "", false, 0, ndes.ErrNoPermission},
		"no password":       {utf16le(head), "", "", false, 0, ndes.ErrNoChallenge},
		"only thumbprint":   {utf16le(head + thumb), "", "", false, 0, ndes.ErrNoChallenge},
		"sign-in page":      {[]byte("<html><body>Sign in to your account <b>cafe</b>"), "", "cafe", true, 0, nil},
		"other page":        {[]byte("<html><body>It works"), "", "", false, 0, ndes.ErrNotNDES},
		"empty":             {nil, "", "", false, 0, ndes.ErrNotNDES},
		"half a character":  {append(utf16le(head+thumb+one), 0x41), "", "9F86D081884C7D65", true, time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ndes.ParsePage(c.body, c.typ)
			if name == "sign-in page" {
				require.ErrorIs(t, err, ndes.ErrNotNDES)
				return
			}
			require.ErrorIs(t, err, c.err)
			if c.err != nil {
				return
			}
			require.Equal(t, c.challenge, p.Challenge.Reveal())
			require.Equal(t, c.oneTime, p.OneTime)
			require.Equal(t, c.validity, p.Validity)
			if name != "no thumbprint" {
				require.Equal(t, hashPwd, p.Thumbprint)
			}
		})
	}
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte(head+thumb+one), "text/html")
	f.Add(utf16le(head+thumb+one), "text/html; charset=utf-16")
	f.Add(utf16be(head+many), "")
	f.Add([]byte("<b><b>12 34</b>"), "x;;")
	f.Fuzz(func(t *testing.T, b []byte, typ string) {
		p, err := ndes.ParsePage(b, typ)
		if (p == nil) == (err == nil) {
			t.Fatal("neither page nor error, or both")
		}
		if err == nil && p.Challenge.IsZero() {
			t.Fatal("page without challenge")
		}
	})
}

func TestCorpusPages(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: the sample corpus is not part of this module")
	}
	for prefix, want := range map[string]string{"m01": "48D232ED9EEC123D", "m02": "48D232ED9EEC123D", "m04": "48D232ED9EEC123D", "m05": "00F7FC7937B5366F2231AC891472998C", "m06": "", "m09": ""} {
		files, err := filepath.Glob(filepath.Join(dir, "scep/synthetic/ndes-admin", prefix+"*"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		b, err := os.ReadFile(files[0])
		require.NoError(t, err)
		p, err := ndes.ParsePage(b, "text/html")
		switch prefix {
		case "m06":
			require.ErrorIs(t, err, ndes.ErrCacheFull)
		case "m09":
			require.ErrorIs(t, err, ndes.ErrNoChallenge)
		default:
			require.NoError(t, err, prefix)
			require.Equal(t, want, p.Challenge.Reveal())
			require.Equal(t, "71C1FF2A0E4A4E6B9AD8D7C25A9E0F11", p.Thumbprint)
			require.Equal(t, prefix != "m05", p.OneTime)
		}
	}
}

// ntlmServer asks for NTLM, sends a type 2 message, and lets a type 3 message in that names the user.
func ntlmServer(t *testing.T, page http.Handler) *httptest.Server {
	t.Helper()
	type2 := make([]byte, 56)
	copy(type2, "NTLMSSP\x00")
	binary.LittleEndian.PutUint32(type2[8:], 2)
	target := utf16le("ASHDOWN")
	info := append(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, 2), uint16(len(target))), target...)
	info = append(info, 0, 0, 0, 0)
	field := func(at, n, off int) {
		binary.LittleEndian.PutUint16(type2[at:], uint16(n))
		binary.LittleEndian.PutUint16(type2[at+2:], uint16(n))
		binary.LittleEndian.PutUint32(type2[at+4:], uint32(off))
	}
	field(12, len(target), 56)
	binary.LittleEndian.PutUint32(type2[20:], 0x00828205|0x00080000) // Unicode, NTLM, target information, extended session security
	copy(type2[24:], "\x01\x23\x45\x67\x89\xab\xcd\xef")
	field(40, len(info), 56+len(target))
	type2 = append(append(type2, target...), info...)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		msg, _ := base64.StdEncoding.DecodeString(token)
		switch {
		case len(msg) > 12 && msg[8] == 1:
			w.Header().Set("WWW-Authenticate", "NTLM "+base64.StdEncoding.EncodeToString(type2))
			w.WriteHeader(http.StatusUnauthorized)
		case len(msg) > 12 && msg[8] == 3 && strings.Contains(string(msg), string(utf16le("svc-scep"))):
			page.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", "NTLM")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestChallengeOverNTLM(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES})
	srv := ntlmServer(t, ca)
	a := &ndes.Admin{URL: srv.URL + "/certsrv/mscep_admin/", Username: `ASHDOWN\svc-scep`, Password: scepclient.NewSecret("p@ss"), AllowHTTP: true}
	page, err := a.Challenge(t.Context())
	require.NoError(t, err)
	require.True(t, page.OneTime)
	require.Equal(t, time.Hour, page.Validity)

	c := &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}, Policy: scepclient.PolicyNDES()}
	req := scepclient.Request{Key: key(t), Template: scepclient.Template{KeyUsage: x509.KeyUsageDigitalSignature}, Challenge: page.Challenge}
	_, err = c.Enrol(t.Context(), req)
	require.NoError(t, err)
	_, err = c.Enrol(t.Context(), req)
	require.ErrorIs(t, err, scepclient.ErrFailure, "a one-time password is good for one request")

	a.Username = `ASHDOWN\nobody`
	_, err = a.Challenge(t.Context())
	var he *scepclient.HTTPError
	require.ErrorAs(t, err, &he)
	require.Equal(t, 401, he.Status)
	require.NotContains(t, err.Error(), "p@ss")

	a.AllowHTTP = false
	_, err = a.Challenge(t.Context())
	require.ErrorContains(t, err, "https")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.AllowHTTP = true
	_, err = a.Challenge(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
