package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"time"

	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/scepclient/sceptest"
)

// demoFiles are the sample: Ashdown Vale, a month before its onboarding. The test writes them.
//
//go:embed all:demo
var demoFiles embed.FS

// demoTime is the clock of the demo, so that its output is the same every day.
var demoTime = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// startingPoint returns the request of the demo, for people to change.
func startingPoint() []byte {
	b, err := demoFiles.ReadFile("demo/request.json")
	if err != nil {
		panic(err) // it is embedded
	}
	return b
}

func demo(ctx context.Context) (string, *adpreflight.Report, error) {
	files, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		return "", nil, err
	}
	return demoOf(ctx, files)
}

// demoOf makes the report of a sample. The directory and the NDES server are in this process, and the network is a
// list of what would answer: nothing is sent anywhere.
func demoOf(ctx context.Context, files fs.FS) (string, *adpreflight.Report, error) {
	b, err := fs.ReadFile(files, "request.json")
	if err != nil {
		return "", nil, err
	}
	q, err := readRequest(bytes.NewReader(b))
	if err != nil {
		return "", nil, err
	}
	g := &gatherer{q: q, progress: func(string) {}, now: func() time.Time { return demoTime },
		open: func(name string) (io.ReadCloser, error) { return files.Open(name) }}
	stop, err := g.standIns(files)
	defer stop()
	if err != nil {
		return "", nil, err
	}
	report, err := g.report(ctx)
	return q.Organisation, report, err
}

// standIns replaces what the request would reach over a network.
func (g *gatherer) standIns(files fs.FS) (stop func(), err error) {
	var closers []io.Closer
	stop = func() {
		for _, c := range closers {
			_ = c.Close()
		}
	}
	if g.sysvol, err = fs.Sub(files, "sysvol"); err != nil {
		return stop, err
	}
	ldif, err := files.Open("directory.ldif")
	if err != nil {
		return stop, err
	}
	dc, err := adtest.Start(adtest.Config{Socketless: true, Now: g.now, LDIF: ldif, Attributes: []adtest.AttributeType{{Name: "dNSProperty", Syntax: adtest.OctetSyntax}}})
	if err != nil {
		return stop, err
	}
	closers = append(closers, dc)
	edge, err := dc.AddDC(adtest.DCConfig{DC: "edge", Socketless: true})
	if err != nil {
		return stop, err
	}
	closers = append(closers, edge)
	const servers = ",CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=ashdown,DC=example"
	if _, err := dc.Add("CN=from dc1,CN=NTDS Settings,CN=edge"+servers, adtest.Attrs{"objectClass": {"nTDSConnection"}, "fromServer": {"CN=NTDS Settings,CN=dc1" + servers}}); err != nil {
		return stop, err
	}
	if g.dir, err = ldapdir.Open(ldapdir.Config{
		Dial: func(ctx context.Context) (net.Conn, error) { return edge.DialTLS(ctx) },
		Bind: ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-reader")},
	}); err != nil {
		return stop, err
	}
	closers = append(closers, g.dir)
	answers, err := fs.ReadFile(files, "network.json")
	if err != nil {
		return stop, err
	}
	list := &answering{}
	if err := json.Unmarshal(answers, list); err != nil {
		return stop, err
	}
	g.network, g.resolver = list, list
	ca, err := sceptest.NewCA(sceptest.Config{Mode: sceptest.NDES, Now: g.now, Status: func(operation string) int { return list.HTTP[operation] }})
	if err != nil {
		return stop, err
	}
	closers = append(closers, closer(ca.Close))
	g.client = ca.Client()
	return stop, nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

// answering is a network as a list. What is not in it does not answer.
type answering struct {
	Open    []string                           `json:"open"`    // host:port
	Refused []string                           `json:"refused"` // host:port
	Names   map[string]map[string][]netip.Addr `json:"names"`   // by DNS server, host:port
	Aliases map[string]string                  `json:"aliases"` // CNAME records
	HTTP    map[string]int                     `json:"http"`    // SCEP operation to the status NDES answers instead; "" is its bare address
}

func (a *answering) Connect(_ context.Context, address string) error {
	for _, h := range a.Open {
		if h == address {
			return nil
		}
	}
	for _, h := range a.Refused {
		if h == address {
			return adpreflight.ErrRefused
		}
	}
	return context.DeadlineExceeded
}

func (a *answering) Lookup(_ context.Context, _, server, name string) ([]netip.Addr, error) {
	names, ok := a.Names[server]
	if !ok {
		return nil, context.DeadlineExceeded
	}
	if addrs, ok := names[name]; ok {
		return addrs, nil
	}
	return nil, adpreflight.ErrNoSuchName
}

// CNAME implements comgmt.Resolver.
func (a *answering) CNAME(_ context.Context, host string) (string, error) {
	return a.Aliases[host], nil
}
