package scepclient

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// corpus returns the folder of SCEP samples, or skips.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: the sample corpus is not part of this module")
	}
	return filepath.Join(dir, "scep")
}

func pemBlock(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	block, _ := pem.Decode(b)
	require.NotNil(t, block, path)
	return block.Bytes
}

func pemCert(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(pemBlock(t, path))
	require.NoError(t, err)
	return c
}

func pemKey(t *testing.T, path string) *rsa.PrivateKey {
	t.Helper()
	der := pemBlock(t, path)
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return k.(*rsa.PrivateKey)
	}
	k, err := x509.ParsePKCS1PrivateKey(der)
	require.NoError(t, err)
	return k
}

var corpusClock = func() time.Time { return time.Date(2026, 11, 20, 22, 15, 0, 0, time.UTC) }

// TestCorpusReplies answers one fixed request with every sample reply: a accepts, f failures, p pending, c a CRL,
// r to be rejected.
func TestCorpusReplies(t *testing.T) {
	dir := filepath.Join(corpus(t), "synthetic")
	var tx struct{ SenderNonceHex, TransactionID string }
	b, err := os.ReadFile(filepath.Join(dir, "transaction.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &tx))
	nonce, err := hex.DecodeString(tx.SenderNonceHex)
	require.NoError(t, err)
	key := pemKey(t, filepath.Join(dir, "keys/client.key.pem"))
	signer, err := newSigner(pemCert(t, filepath.Join(dir, "keys/client.crt.pem")), key)
	require.NoError(t, err)
	b, err = os.ReadFile(filepath.Join(dir, "getcacert.p7.der"))
	require.NoError(t, err)
	certs, _, err := ParseCACerts(b)
	require.NoError(t, err)
	c := &Client{Now: corpusClock, Policy: Policy{Reply: ReplyLenient},
		Trust: Trust{Roots: []*x509.Certificate{pemCert(t, filepath.Join(dir, "keys/root.crt.pem"))}}}
	set, err := c.Trust.Authenticate(certs, corpusClock())
	require.NoError(t, err)
	s := &session{c: c, ca: set, url: "http://scep.example/"}
	want := pemCert(t, filepath.Join(dir, "keys/issued-leaf.crt.pem"))

	files, err := filepath.Glob(filepath.Join(dir, "certrep/*.der"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	failInfos := map[string]FailInfo{"f06": BadTime, "f07": BadCertID, "r14": 9, "r15": NoFailInfo}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			body, err := os.ReadFile(f)
			require.NoError(t, err)
			m := &message{typ: scep.PKCSReq, tid: tx.TransactionID, nonce: nonce, signer: signer}
			var iss *Issued
			rep, err := s.openReply(m, body)
			if err == nil && rep.status == scep.SUCCESS && filepath.Base(f)[0] != 'c' {
				iss, err = s.issued(rep, key.Public())
			}
			id := filepath.Base(f)[:3]
			switch id[0] {
			case 'a':
				require.NoError(t, err)
				require.True(t, iss.Certificate.Equal(want))
			case 'p':
				require.NoError(t, err)
				require.Equal(t, scep.PENDING, rep.status)
			case 'c':
				require.NoError(t, err)
				crl, err := x509.ParseRevocationList(rep.content.CRLs[0])
				require.NoError(t, err)
				require.NoError(t, s.checkCRL(crl))
				require.Equal(t, int64(7), crl.Number.Int64())
				require.Equal(t, int64(4242), crl.RevokedCertificateEntries[0].SerialNumber.Int64())
			case 'f':
				require.NoError(t, err)
				info, ok := failInfos[id]
				if !ok {
					info = BadRequest
				}
				require.Equal(t, info, rep.failInfo)
				if id == "f03" {
					require.Equal(t, "Gerät nicht berechtigt: profile no longer targeted", rep.text)
				}
			case 'r':
				if info, ok := failInfos[id]; ok { // kept as FAILURE with its number
					require.NoError(t, err)
					require.Equal(t, info, rep.failInfo)
					return
				}
				require.ErrorIs(t, err, ErrReply)
			}
		})
	}
}

func TestCorpusGetCACert(t *testing.T) {
	dir := filepath.Join(corpus(t), "synthetic")
	cert := func(name string) *x509.Certificate { return pemCert(t, filepath.Join(dir, "keys", name+".crt.pem")) }
	for prefix, c := range map[string]struct{ recipient, ca string }{
		"g01": {"issuing", "issuing"}, "g02": {"ra-enc", "issuing"}, "g03": {"ra-enc", "issuing"}, "g04": {"ra-enc", "issuing"},
		"g07": {"", ""}, "g09": {"SCEP RA", "issuing"}, "g12": {}, "g13": {}, "g14": {},
	} {
		t.Run(prefix, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(dir, "getcacert", prefix+"*"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			b, err := os.ReadFile(files[0])
			require.NoError(t, err)
			certs, _, err := ParseCACerts(b)
			if prefix == "g07" {
				require.NoError(t, err)
				require.Len(t, certs, 1)
				return
			}
			var set *CASet
			if err == nil {
				set, err = Trust{Roots: []*x509.Certificate{cert("root")}}.Authenticate(certs, corpusClock())
			}
			if c.ca == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.True(t, set.CA.Equal(cert(c.ca)))
			if strings.Contains(c.recipient, " ") {
				require.Equal(t, c.recipient, set.Recipient.Subject.CommonName)
			} else {
				require.True(t, set.Recipient.Equal(cert(c.recipient)), set.Recipient.Subject)
			}
		})
	}
}

func TestCorpusGetNextCACert(t *testing.T) {
	dir := filepath.Join(corpus(t), "synthetic")
	for name, accept := range map[string]bool{"n01-valid": true, "n02-wrong-signer": false, "n03-unsigned": false} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, "getnextcacert", name+".der"))
			require.NoError(t, err)
			issuing := pemCert(t, filepath.Join(dir, "keys/issuing.crt.pem"))
			s := &session{c: &Client{Now: corpusClock}, ca: &CASet{CA: issuing, Signers: []*x509.Certificate{issuing}}}
			sd, err := cms.ParseSignedData(b)
			require.NoError(t, err)
			_, _, err = s.verifySigner(sd)
			if !accept {
				require.ErrorIs(t, err, ErrReply)
				return
			}
			require.NoError(t, err)
			inner, err := cms.ParseSignedData(sd.Content)
			require.NoError(t, err)
			next, _, err := parseCerts(inner.Certificates)
			require.NoError(t, err)
			require.True(t, next[0].Equal(pemCert(t, filepath.Join(dir, "keys/next-issuing.crt.pem"))))
		})
	}
}

func TestCorpusCapabilities(t *testing.T) {
	dir := filepath.Join(corpus(t), "synthetic/getcacaps")
	for name, want := range map[string]string{
		"k01": "POSTPKIOperation Renewal SHA-512 SHA-256 SHA-1 DES3", "k02": "AES GetNextCACert POSTPKIOperation SCEPStandard SHA-256",
		"k03": "AES SHA-256 POSTPKIOperation", "k05": "SCEPStandard AES POSTPKIOperation SHA-256", "k06": "AES SHA-256",
	} {
		files, err := filepath.Glob(filepath.Join(dir, name+"*"))
		require.NoError(t, err)
		b, err := os.ReadFile(files[0])
		require.NoError(t, err)
		caps := ParseCapabilities(b)
		for _, k := range strings.Fields(want) {
			require.True(t, caps.Has(k), "%s: %s", name, k)
		}
		require.Equal(t, strings.Contains(want, "AES"), caps.Has(CapAES), name)
		require.Equal(t, name == "k06", len(caps.Unknown()) > 0, name)
	}
	b, err := os.ReadFile(filepath.Join(dir, "k04-empty.txt"))
	require.NoError(t, err)
	require.Empty(t, ParseCapabilities(b).Keywords)
}

// TestCorpusPeers reads every message of the recorded runs between real programs: requests are verified and
// opened with the servers' keys, replies verified and opened with the clients'.
func TestCorpusPeers(t *testing.T) {
	root := corpus(t)
	type pair struct {
		cert *x509.Certificate
		key  *rsa.PrivateKey
	}
	server := func(name string) (p pair) {
		switch {
		case strings.HasPrefix(name, "mdm-"):
			return pair{pemCert(t, filepath.Join(root, "peers/keys/micromdm-ca.crt.pem")), pemKey(t, filepath.Join(root, "peers/keys/micromdm-ca.key.pem"))}
		case strings.HasPrefix(name, "step"):
			return pair{pemCert(t, filepath.Join(root, "peers/keys/step-issuing.crt.pem")), pemKey(t, filepath.Join(root, "peers/keys/step-issuing.key.pem"))}
		}
		return pair{pemCert(t, filepath.Join(root, "synthetic/keys/ra-enc.crt.pem")), pemKey(t, filepath.Join(root, "synthetic/keys/ra-enc.key.pem"))}
	}
	client := pemKey(t, filepath.Join(root, "peers/keys/client.key.pem"))
	renewed := pemKey(t, filepath.Join(root, "peers/keys/renew.key.pem"))
	files, err := filepath.Glob(filepath.Join(root, "peers/*/*PKIOperation.req.der"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		run := filepath.Base(filepath.Dir(f))
		t.Run(run+"/"+filepath.Base(f), func(t *testing.T) {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			sd, err := cms.ParseSignedData(b)
			require.NoError(t, err)
			signer, err := x509.ParseCertificate(sd.Certificates[0])
			require.NoError(t, err)
			si := &sd.Signers[0]
			require.True(t, si.Names(signer))
			require.NoError(t, si.Verify(signer, cms.OIDData, sd.Content))
			env, err := cms.ParseEnvelopedData(sd.Content)
			require.NoError(t, err)
			srv := server(run)
			plain, err := env.Decrypt(srv.cert, srv.key)
			require.NoError(t, err)
			require.NotEmpty(t, plain)

			tid, err := attrText(si, cms.OIDTransactionID)
			require.NoError(t, err)
			nonce, err := attrOctets(si, cms.OIDSenderNonce)
			require.NoError(t, err)
			reply, err := os.ReadFile(strings.TrimSuffix(f, ".req.der") + ".rsp")
			require.NoError(t, err)
			key := client
			if eq := renewed.PublicKey.Equal(signer.PublicKey); eq {
				key = renewed
			}
			set := &CASet{CA: srv.cert, Signers: []*x509.Certificate{srv.cert}}
			if strings.HasPrefix(run, "rfc") || strings.HasPrefix(run, "ndes") {
				for _, n := range []string{"ra-sign", "issuing"} {
					set.Signers = append(set.Signers, pemCert(t, filepath.Join(root, "synthetic/keys", n+".crt.pem")))
				}
			}
			s := &session{c: &Client{Now: corpusClock, Policy: Policy{Reply: ReplyLenient}}, ca: set}
			var dec crypto.Decrypter = key
			rep, err := s.openReply(&message{tid: tid, nonce: nonce, signer: signerPair{signer, key, dec}}, reply)
			require.NoError(t, err)
			require.Equal(t, strings.Contains(run, "wrong"), rep.status == scep.FAILURE)
		})
	}
}

// TestCorpusSamplesOfTheRFC reads the jscep samples that RFC 8894 refers to.
func TestCorpusSamplesOfTheRFC(t *testing.T) {
	dir := filepath.Join(corpus(t), "jscep-samples")
	for _, name := range []string{"scep_req2", "scep_resp2"} {
		b, err := os.ReadFile(filepath.Join(dir, name+".der"))
		require.NoError(t, err)
		sd, err := cms.ParseSignedData(b)
		require.NoError(t, err)
		verified := false
		for _, der := range sd.Certificates {
			c, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			if sd.Signers[0].Names(c) {
				require.NoError(t, sd.Signers[0].Verify(c, cms.OIDData, sd.Content))
				verified = true
			}
		}
		require.True(t, verified, name)
		tid, err := attrText(&sd.Signers[0], cms.OIDTransactionID)
		require.NoError(t, err)
		require.Equal(t, "7XXEY-ERLPU-2JDR9", tid)
		env, err := cms.ParseEnvelopedData(sd.Content)
		require.NoError(t, err)
		require.Equal(t, cms.AES128CBC, env.Cipher)
	}
	b, err := os.ReadFile(filepath.Join(dir, "scep_resp0.der"))
	require.NoError(t, err)
	certs, _, err := ParseCACerts(b)
	require.NoError(t, err)
	require.NotEmpty(t, certs)
}
