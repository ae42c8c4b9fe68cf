package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/registry/gpo"
)

// A gatherer makes the report of a request. The demo has sources of its own.
type gatherer struct {
	q        *request
	folder   string // of the request
	open     func(name string) (io.ReadCloser, error)
	network  adpreflight.Network
	progress func(string)

	// What the demo replaces; zero otherwise.
	dir      *ldapdir.Dir
	sysvol   fs.FS
	client   *http.Client
	resolver comgmt.Resolver
	now      func() time.Time
}

// report makes every check. The error is about the request and its files; what is wrong with the organisation is in
// the report.
func (g *gatherer) report(ctx context.Context) (*adpreflight.Report, error) {
	defer g.progress("")
	if g.now == nil {
		g.now = time.Now
	}
	cfg, err := g.config()
	if err != nil {
		return nil, err
	}
	g.progress("looking at the directory and the network")
	report, err := adpreflight.Run(ctx, cfg)
	if err != nil {
		return nil, err
	}
	for _, part := range []func(context.Context) ([]adpreflight.Check, error){g.policies, g.export, g.live, g.certificateProfiles, g.coManagement} {
		checks, err := part(ctx)
		if err != nil {
			return nil, err
		}
		report.Checks = append(report.Checks, checks...)
	}
	return &report, ctx.Err()
}

func (g *gatherer) close() {
	if g.dir != nil {
		_ = g.dir.Close()
	}
}

// config turns the request into the checks of the guide's prerequisites.
func (g *gatherer) config() (adpreflight.Config, error) {
	q := g.q
	cfg := adpreflight.Config{
		Service: q.service(), Answers: q.Answers, Network: g.network, Vantage: q.Network.Vantage, Now: g.now,
		NetworkTimeout: time.Duration(q.Network.TimeoutSeconds * float64(time.Second)),
	}
	d := q.Directory
	if d == nil {
		return cfg, nil
	}
	cfg.DCAddress, cfg.DCName, cfg.Invocation, cfg.FSMO, cfg.Suffixes = d.Address, d.Name, d.Invocation, d.FSMO, d.UPNSuffixes
	for _, s := range d.Subject {
		sid, err := ldapsync.ParseSID(s)
		if err != nil {
			return cfg, fmt.Errorf("directory.subject: %w", err)
		}
		cfg.Subject = append(cfg.Subject, sid)
	}
	for _, s := range []struct {
		id    string
		class ldapsync.Class
		from  *scope
	}{{"users", ldapsync.User, d.Users}, {"devices", ldapsync.Device, d.Devices}} {
		if s.from != nil {
			cfg.Scopes = append(cfg.Scopes, adpreflight.Scope{ID: s.id, Class: s.class, OU: s.from.OU, Attrs: s.from.Attributes})
		}
	}
	if g.dir == nil {
		if d.URL == "" {
			return cfg, errors.New("directory.url: say where the domain controller is, ldaps://…")
		}
		open := ldapdir.Config{URL: d.URL, TLS: ldapdir.TLS{ServerName: d.ServerName}}
		if d.User != "" {
			if d.PasswordFile == "" {
				return cfg, errors.New("directory.passwordFile: a user needs one")
			}
			if _, err := os.Stat(g.path(d.PasswordFile)); err != nil {
				return cfg, fmt.Errorf("directory.passwordFile: %w", err)
			}
			open.Bind = ldapdir.Simple{User: d.User, Password: ldapdir.SecretFile(g.path(d.PasswordFile))}
		}
		if d.CAFile != "" {
			var err error
			if open.TLS.CAs, err = g.authorities(d.CAFile); err != nil {
				return cfg, err
			}
		}
		var err error
		if g.dir, err = ldapdir.Open(open); err != nil {
			return cfg, err
		}
	}
	cfg.Directory = g.dir
	return cfg, nil
}

// authorities reads certificates in PEM.
func (g *gatherer) authorities(name string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	return pool, g.with(name, func(r io.Reader) error {
		pem, err := io.ReadAll(io.LimitReader(r, maxRequest))
		if err == nil && !pool.AppendCertsFromPEM(pem) {
			err = errors.New("no certificate in PEM")
		}
		return err
	})
}

// path makes a name relative to the request.
func (g *gatherer) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(g.folder, name)
}

// with opens a file of the request; errors name it.
func (g *gatherer) with(name string, read func(io.Reader) error) error {
	f, err := g.open(g.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// policyEstate reads Group Policy: the settings from SYSVOL, and where they are linked from a file or the directory.
func (g *gatherer) policyEstate(ctx context.Context) (*gpo.Estate, error) {
	p := g.q.Policy
	sysvol := g.sysvol
	if sysvol == nil {
		info, err := os.Stat(g.path(p.SYSVOL))
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			return nil, fmt.Errorf("%s: not a folder", p.SYSVOL)
		}
		sysvol = os.DirFS(g.path(p.SYSVOL))
	}
	if p.Links == "" {
		links, err := linksFromDirectory(ctx, g.dir)
		if err != nil {
			return nil, err
		}
		return gpo.Load(sysvol, strings.NewReader(links))
	}
	var estate *gpo.Estate
	err := g.with(p.Links, func(r io.Reader) (err error) {
		estate, err = gpo.Load(sysvol, r)
		return err
	})
	return estate, err
}
