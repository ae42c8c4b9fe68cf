package ldapdir

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"go.internal/hybridkit/ldapsync"
)

const (
	// idleTime is how long an idle connection is kept: below MaxConnIdleTime (900 s) of a domain controller and
	// what firewalls forget.
	idleTime = 4 * time.Minute
	// lifeTime bounds how long group memberships and a name's addresses may be out of date.
	lifeTime = 15 * time.Minute
	// The wait before connecting again after failures.
	firstWait, longestWait = 500 * time.Millisecond, 30 * time.Second
)

// A Dir is a directory. It is a ldapsync.Source, a ldapsync.Target and a ldapsync.AbsenceVerifier. Its methods
// may be called concurrently. Errors are *Error or *ConfigError.
//
// After the server refused the credentials, every call returns that error without asking again, until the Secret
// yields another password. After a connection could not be made, the next call waits before it tries again:
// half a second, doubled each time up to half a minute.
type Dir struct {
	cfg Config
	ep  endpoint
	tls *tls.Config
	log *slog.Logger

	usualClasses bool // users and devices are what DefaultClass says

	slots   chan struct{} // single operations at once
	dialing chan struct{} // one connection is made at a time, so that a wrong password is tried once

	mu           sync.Mutex
	closed       bool
	idle         []*conn
	address      string // of the server that answered last
	server       string // identity of the server that answered last
	refused      error
	refusedPrint [sha256.Size]byte
	failures     int
	notBefore    time.Time

	schema schemaCache
}

var (
	_ ldapsync.Source          = (*Dir)(nil)
	_ ldapsync.Target          = (*Dir)(nil)
	_ ldapsync.AbsenceVerifier = (*Dir)(nil)
)

// Open checks cfg and returns a Dir. Nothing is dialled before the first call. Errors are *ConfigError.
func Open(cfg Config) (*Dir, error) {
	usual := cfg.Kind == ActiveDirectory && cfg.Classes[ldapsync.User].Filter == "" && cfg.Classes[ldapsync.Device].Filter == ""
	cfg, ep, err := cfg.prepared()
	if err != nil {
		return nil, err
	}
	return &Dir{
		usualClasses: usual,
		cfg:          cfg, ep: ep, tls: tlsConfig(cfg.TLS, ep.host), log: cfg.Logger,
		slots: make(chan struct{}, cfg.Connections), dialing: make(chan struct{}, 1),
	}, nil
}

// Close closes the idle connections. Operations under way finish; later ones fail.
func (d *Dir) Close() error {
	d.mu.Lock()
	idle := d.idle
	d.idle, d.closed = nil, true
	d.mu.Unlock()
	for _, c := range idle {
		c.unbind()
	}
	return nil
}

// get returns a connection: an idle one, or a new one if there is none or fresh is set.
func (d *Dir) get(ctx context.Context, fresh bool) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, lost("connect", d.ep.name, "", err)
	}
	if c, err := d.reuse(fresh); c != nil || err != nil {
		return c, err
	}
	select {
	case d.dialing <- struct{}{}:
		defer func() { <-d.dialing }()
	case <-ctx.Done():
		return nil, lost("connect", d.ep.name, "", ctx.Err())
	}
	d.mu.Lock()
	wait := time.Until(d.notBefore)
	d.mu.Unlock()
	if wait > 0 {
		d.log.Debug("waiting before connecting again", "server", d.ep.name, "wait", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, lost("connect", d.ep.name, "", ctx.Err())
		}
	}
	c, err := d.dial(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if errors.Is(err, ldapsync.ErrTransient) {
			d.notBefore = time.Now().Add(min(firstWait<<min(d.failures, 10), longestWait))
			d.failures++
		}
		d.log.Warn("no connection", "server", d.ep.name, "error", err)
		return nil, err
	}
	d.failures, d.notBefore = 0, time.Time{}
	if id := c.root.identity(); id != d.server {
		if d.server != "" {
			d.log.Warn("another server answers", "server", d.ep.name, "host", c.root.dnsHostName)
		}
		d.server = id
		for _, old := range d.idle {
			_ = old.Close()
		}
		d.idle = nil
	}
	d.log.Debug("connected", "server", d.ep.name, "host", c.root.dnsHostName, "as", d.cfg.Bind.String())
	return c, nil
}

func (d *Dir) reuse(fresh bool) (*conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, &Error{Op: "connect", Server: d.ep.name, cause: errors.New("the directory was closed"), Advice: "open another"}
	}
	if fresh {
		for _, c := range d.idle { // where one connection broke, the others are suspect
			_ = c.Close()
		}
		d.idle = nil
	}
	for len(d.idle) > 0 {
		c := d.idle[len(d.idle)-1]
		d.idle = d.idle[:len(d.idle)-1]
		if !c.broken() && time.Since(c.used) < idleTime && time.Since(c.opened) < lifeTime {
			c.reused = true
			return c, nil
		}
		_ = c.Close()
	}
	return nil, nil
}

// put takes a connection back.
func (d *Dir) put(c *conn) {
	if c.broken() {
		return
	}
	c.used = time.Now()
	d.mu.Lock()
	keep := !d.closed && len(d.idle) < d.cfg.Connections && c.root.identity() == d.server
	if keep {
		d.idle = append(d.idle, c)
	}
	d.mu.Unlock()
	if !keep {
		c.unbind()
	}
}

// with runs f, which reads only, on a connection. Where an idle connection turns out to be dead, f is run once
// more on a new one.
func (d *Dir) with(ctx context.Context, f func(*conn) error) error {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return lost("connect", d.ep.name, "", ctx.Err())
	}
	for fresh := false; ; fresh = true {
		c, err := d.get(ctx, fresh)
		if err != nil {
			return err
		}
		err = f(c)
		stale := err != nil && c.reused && c.broken() && !c.left.Load() && ctx.Err() == nil
		d.put(c)
		if !stale || fresh {
			return err
		}
		d.log.Debug("an idle connection had died", "server", d.ep.name)
	}
}

// Info identifies the server that the following reads will use.
func (d *Dir) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	info := ldapsync.DirectoryInfo{Kind: d.cfg.Kind.String(), Partial: d.ep.partial}
	err := d.with(ctx, func(c *conn) error {
		root, err := d.readRoot(ctx, c)
		if err != nil {
			return err
		}
		info.Server = root.dnsHostName
		if info.Server == "" {
			info.Server = d.ep.host
		}
		info.HighestUSN, _ = strconv.ParseUint(root.highestUSN, 10, 64)
		if root.currentTime != "" {
			if info.Time, err = ldapsync.ParseGeneralizedTime(root.currentTime); err != nil {
				return lost("search", d.ep.name, "the rootDSE", err)
			}
		}
		if d.cfg.Kind != ActiveDirectory {
			return nil
		}
		return d.identify(ctx, c, root, &info)
	})
	return info, err
}

// identify adds what only Active Directory has.
func (d *Dir) identify(ctx context.Context, c *conn, root rootDSE, info *ldapsync.DirectoryInfo) error {
	service, err := d.one(ctx, c, request{base: root.dsServiceName, attrs: []string{"invocationId"}}, root.dsServiceName)
	if err != nil && !errors.Is(err, ldapsync.ErrNotFound) {
		return err
	}
	if v := first(service, "invocationId"); v != "" {
		if info.InvocationID, err = ldapsync.GUIDFromBytes([]byte(v)); err != nil {
			return lost("search", d.ep.name, root.dsServiceName, err)
		}
	}
	s, err := c.search(request{
		base: "CN=Partitions," + root.configNC, scope: scopeOne, filter: equals("nCName", root.defaultNC),
		attrs: []string{"nETBIOSName", "dnsRoot"},
	}, d.cfg.ReadTimeout)
	if err != nil {
		return lost("search", d.ep.name, "CN=Partitions", errors.Join(errLost, err))
	}
	for {
		e, res, err := s.next(ctx)
		switch {
		case err != nil:
			return lost("search", d.ep.name, "CN=Partitions", err)
		case res == nil:
			found := e.keep()
			info.Domain = ldapsync.Domain{FQDN: first(found, "dnsRoot"), NetBIOS: first(found, "nETBIOSName")}
		case res.code != 0 && res.code != ResultNoSuchObject:
			return refusal("search", d.ep.name, "CN=Partitions", res.code, res.matched, res.diagnostic)
		default:
			return nil
		}
	}
}

// first returns the first value of an attribute of an entry, "" if there is none.
func first(e entry, attr string) string {
	out := ""
	_ = e.each(func(name, set string) error {
		if out == "" && sameName(name, attr) {
			values, err := appendValues(nil, set)
			if len(values) > 0 {
				out = values[0]
			}
			return err
		}
		return nil
	})
	return out
}
