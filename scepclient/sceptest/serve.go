package sceptest

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
	"unicode/utf16"

	"crypto/rand"
	"crypto/x509"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// host is the name in addresses that never reach a socket.
const host = "http://scep.ashdown.example"

// URL returns the address for use with Client: http://scep.ashdown.example and the path of the mode.
func (ca *CA) URL() string { return host + ca.path() }

func (ca *CA) path() string {
	if ca.cfg.Mode == NDES {
		return "/certsrv/mscep/mscep.dll"
	}
	return "/scep"
}

// ServeHTTP answers SCEP requests on every path, and /certsrv/mscep_admin/ in NDES mode.
func (ca *CA) ServeHTTP(w http.ResponseWriter, r *http.Request) { ca.handler.ServeHTTP(w, r) }

// Client returns an HTTP client that calls the CA without a socket, whatever host a URL names. No goroutine
// waits on the network, so testing/synctest can move its clock past polling intervals.
func (ca *CA) Client() *http.Client { return &http.Client{Transport: direct{ca}} }

type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI = r.URL.RequestURI()
	d.h.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// Listen serves on a free loopback port until Close and returns the URL, for programs that are not in this
// process. addr is "" or an address such as 127.0.0.1:8080; only loopback is accepted.
func (ca *CA) Listen(addr string) (string, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		l.Close()
		return "", fmt.Errorf("sceptest: %v is not a loopback address, and this CA is for tests", ip)
	}
	srv := &http.Server{Handler: ca.handler, ReadHeaderTimeout: 10 * time.Second}
	ca.mu.Lock()
	if ca.listener != nil {
		ca.mu.Unlock()
		l.Close()
		return "", fmt.Errorf("sceptest: already listening on %v", ca.listener.Addr())
	}
	ca.listener, ca.server = l, srv
	ca.mu.Unlock()
	go srv.Serve(l)
	return "http://" + l.Addr().String() + ca.path(), nil
}

// Close stops listening. It may be called more than once.
func (ca *CA) Close() {
	ca.mu.Lock()
	srv := ca.server
	ca.mu.Unlock()
	if srv != nil {
		srv.Close()
	}
}

func (ca *CA) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	op := q.Get("operation")
	if ca.cfg.Status != nil {
		if code := ca.cfg.Status(op); code != 0 {
			http.Error(w, http.StatusText(code), code)
			return
		}
	}
	if ca.cfg.Mode == NDES && strings.Contains(strings.ToLower(r.URL.Path), "/mscep_admin") {
		ca.servePassword(w)
		return
	}
	switch op {
	case "":
		if ca.cfg.Mode == NDES {
			http.Error(w, "403 - Forbidden: Access is denied.", http.StatusForbidden) // with the Intune policy module
			return
		}
		http.Error(w, "operation missing", http.StatusBadRequest)
	case "GetCACaps":
		w.Header().Set("Content-Type", "text/plain")
		sep := "\n"
		if ca.cfg.Mode == NDES {
			sep = "\r\n"
		}
		for _, c := range ca.capabilities() {
			io.WriteString(w, c+sep)
		}
	case "GetCACert":
		ca.serveCACert(w)
	case "GetNextCACert":
		ca.serveNextCACert(w)
	case "PKIOperation":
		body, err := readMessage(r, q.Get("message"))
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		case r.Method == http.MethodPost && !ca.hasCapability("POSTPKIOperation"):
			http.Error(w, "POST is not advertised", http.StatusMethodNotAllowed)
		default:
			ca.servePKI(w, r, body)
		}
	default:
		http.Error(w, "operation not implemented", http.StatusInternalServerError)
	}
}

func readMessage(r *http.Request, message string) ([]byte, error) {
	if r.Method == http.MethodPost {
		b, err := io.ReadAll(io.LimitReader(r.Body, cms.MaxSize+1))
		if err == nil && len(b) > cms.MaxSize {
			err = fmt.Errorf("message longer than %d bytes", cms.MaxSize)
		}
		return b, err
	}
	// Go's query parser turned an unescaped + into a blank; Apple's client does not escape it.
	return base64.StdEncoding.DecodeString(strings.ReplaceAll(message, " ", "+"))
}

func (ca *CA) serveCACert(w http.ResponseWriter) {
	certs := ca.certificates()
	if len(certs) == 1 {
		w.Header().Set("Content-Type", "application/x-x509-ca-cert")
		w.Write(certs[0].Raw)
		return
	}
	ca.write(w, "application/x-x509-ca-ra-cert", ca.degenerate(certs, nil))
}

func (ca *CA) write(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Write(body)
}

func (ca *CA) degenerate(certs []*x509.Certificate, crls [][]byte) []byte {
	var raw [][]byte
	for _, c := range certs {
		raw = append(raw, c.Raw)
	}
	der, err := cms.Degenerate(raw, crls)
	if err != nil {
		return nil // an empty answer, which every client refuses
	}
	return der
}

func (ca *CA) serveNextCACert(w http.ResponseWriter) {
	if ca.Next == nil {
		http.Error(w, "operation not implemented", http.StatusInternalServerError)
		return
	}
	der, err := cms.Sign(cms.Signing{
		Key: ca.signKey, Certificate: ca.RASign, Digest: ca.replyDigest(Request{}),
		Content: ca.degenerate([]*x509.Certificate{ca.Next}, nil), Certificates: [][]byte{ca.RASign.Raw},
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ca.write(w, "application/x-x509-next-ca-cert", der)
}

func (ca *CA) servePKI(w http.ResponseWriter, r *http.Request, body []byte) {
	req, err := ca.parse(body)
	req.Method = r.Method
	if err != nil {
		ca.record(req)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	ca.record(req)
	var reply []byte
	if ca.cfg.Reply != nil {
		reply = ca.cfg.Reply(req)
	}
	if reply == nil {
		reply = ca.answer(req)
	}
	ca.write(w, "application/x-pki-message", reply)
}

// servePassword is the page of /certsrv/mscep_admin/: UTF-16LE, a new one-time password each time.
func (ca *CA) servePassword(w http.ResponseWriter) {
	thumb := strings.ToUpper(ca.Pin()[:32])
	page := fmt.Sprintf("<HTML><Head><Title>Network Device Enrollment Service</Title></Head><Body>"+
		"<P>The thumbprint (hash value) for the CA certificate is: <B> %s </B>"+
		"<P>The enrollment challenge password is: <B> %s </B>"+
		"<P>This password can be used only once and will expire within 60 minutes.</Body></HTML>", thumb, ca.NewChallenge())
	w.Header().Set("Content-Type", "text/html")
	for _, u := range utf16.Encode([]rune(page)) {
		w.Write([]byte{byte(u), byte(u >> 8)})
	}
}

// CRL returns a current CRL of the issuing CA.
func (ca *CA) CRL() ([]byte, error) {
	ca.mu.Lock()
	ca.crlNumber++
	n, revoked := ca.crlNumber, ca.revoked
	ca.mu.Unlock()
	now := ca.now()
	return x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(n), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(7 * 24 * time.Hour), RevokedCertificateEntries: revoked,
	}, ca.Issuing, ca.issuingKey)
}
