package ldapdir

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
)

// A conn is one connection that is authenticated and knows its server. One operation uses it at a time.
type conn struct {
	*wire
	l      *ldap.Conn
	root   rootDSE
	opened time.Time
	used   time.Time
	reused bool // it was idle before this operation
}

// rootDSE is what the server says of itself.
type rootDSE struct {
	dnsHostName, dsServiceName                     string
	defaultNC, configNC, schemaNC                  string
	namingContexts, supportedControl, capabilities []string
	highestUSN, currentTime                        string
	token                                          adsec.Token
}

// identity tells one server from another.
func (r rootDSE) identity() string { return r.dsServiceName + "\x00" + r.dnsHostName }

func (r rootDSE) supports(oid string) bool { return slices.Contains(r.supportedControl, oid) }

const capActiveDirectory = "1.2.840.113556.1.4.800" // LDAP_CAP_ACTIVE_DIRECTORY_OID, [MS-ADTS] section 3.1.1.3.4.3

// dial makes a connection: network, TLS, bind, rootDSE.
func (d *Dir) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.DialTimeout)
	defer cancel()
	raw, err := d.network(ctx)
	if err != nil {
		return nil, unreachable(d.ep.name, err)
	}
	var g *gathering
	if d.cfg.Dial == nil {
		g = &gathering{Conn: raw, rest: rest}
		raw = g
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	secured, secure, err := d.secure(ctx, raw)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	w := newWire(secured)
	w.raw = g
	c := &conn{wire: w, l: ldap.NewConn(w, secure), opened: time.Now()}
	c.l.Start()
	if err := d.bind(ctx, c); err != nil {
		_ = w.Close()
		return nil, err
	}
	if c.root, err = d.readRoot(ctx, c); err != nil {
		_ = w.Close()
		return nil, err
	}
	if d.cfg.Kind == ActiveDirectory && !slices.Contains(c.root.capabilities, capActiveDirectory) {
		_ = w.Close()
		return nil, &ConfigError{"Kind", d.ep.name + " is not Active Directory: set Kind to PlainLDAP"}
	}
	if !stop() {
		return nil, unreachable(d.ep.name, context.Cause(ctx))
	}
	return c, nil
}

func (d *Dir) network(ctx context.Context) (net.Conn, error) {
	if d.cfg.Dial != nil {
		return d.cfg.Dial(ctx)
	}
	var dialer net.Dialer
	if d.ep.network == "unix" {
		return dialer.DialContext(ctx, "unix", d.ep.host)
	}
	// A name may stand for several domain controllers. As long as one answers, the connections stay with it: USNs
	// and what has been replicated differ from one to the next.
	d.mu.Lock()
	pinned := d.address
	d.mu.Unlock()
	if pinned != "" {
		if c, err := dialer.DialContext(ctx, "tcp", pinned); err == nil || ctx.Err() != nil {
			return c, err
		}
	}
	c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(d.ep.host, d.ep.port))
	address := ""
	if err == nil {
		address = c.RemoteAddr().String()
	}
	d.mu.Lock()
	d.address = address
	d.mu.Unlock()
	return c, err
}

// bind authenticates, unless the same credentials were refused before.
func (d *Dir) bind(ctx context.Context, c *conn) error {
	var print [sha256.Size]byte
	if f, ok := d.cfg.Bind.(interface {
		fingerprint(context.Context) ([sha256.Size]byte, error)
	}); ok {
		var err error
		if print, err = f.fingerprint(ctx); err != nil {
			return &Error{Op: "bind", Server: d.ep.name, Object: d.cfg.Bind.String(), cause: err,
				Advice: "make the password available"}
		}
	}
	d.mu.Lock()
	refused := d.refused
	if refused != nil && d.refusedPrint != print {
		refused, d.refused = nil, nil // another password: worth one try
	}
	d.mu.Unlock()
	if refused != nil {
		return refused
	}
	host := d.cfg.TLS.ServerName
	if host == "" {
		host = d.ep.host
	}
	err := d.cfg.Bind.Bind(ctx, c.l, host)
	if err == nil {
		return nil
	}
	e, answered := fromLDAP("bind", d.ep.name, d.cfg.Bind.String(), err)
	switch {
	case errors.Is(err, ldapsync.ErrCredentials):
		e.kinds = []error{ldapsync.ErrCredentials}
	case !answered && !c.broken() && ctx.Err() == nil:
		e.kinds, e.Advice = nil, "" // the reason lies here, not in the network: an empty password, a missing ticket
	case !answered && ctx.Err() != nil:
		e = lost("bind", d.ep.name, d.cfg.Bind.String(), context.Cause(ctx))
	}
	if errors.Is(e, ldapsync.ErrCredentials) {
		d.mu.Lock()
		d.refused, d.refusedPrint = e, print
		d.mu.Unlock()
	}
	return e
}

var rootAttrs = []string{"dnsHostName", "dsServiceName", "defaultNamingContext", "configurationNamingContext",
	"schemaNamingContext", "namingContexts", "supportedControl", "supportedCapabilities", "highestCommittedUSN", "currentTime"}

// readRoot reads the rootDSE. On Active Directory it also holds the SIDs of the account that is connected.
func (d *Dir) readRoot(ctx context.Context, c *conn) (rootDSE, error) {
	var r rootDSE
	attrs := rootAttrs
	if d.cfg.Kind == ActiveDirectory {
		attrs = append(slices.Clone(attrs), "tokenGroups")
	}
	e, err := d.one(ctx, c, request{attrs: attrs}, "the rootDSE")
	if err != nil {
		return r, err
	}
	single := map[string]*string{"dnshostname": &r.dnsHostName, "dsservicename": &r.dsServiceName,
		"defaultnamingcontext": &r.defaultNC, "configurationnamingcontext": &r.configNC, "schemanamingcontext": &r.schemaNC,
		"highestcommittedusn": &r.highestUSN, "currenttime": &r.currentTime}
	several := map[string]*[]string{"namingcontexts": &r.namingContexts, "supportedcontrol": &r.supportedControl,
		"supportedcapabilities": &r.capabilities}
	err = e.each(func(name, set string) error {
		values, err := appendValues(nil, set)
		if err != nil || len(values) == 0 {
			return err
		}
		key := strings.ToLower(name)
		if p := single[key]; p != nil {
			*p = values[0]
		} else if p := several[key]; p != nil {
			*p = values
		} else if key == "tokengroups" {
			var sids []ldapsync.SID
			for _, v := range values {
				if sid, err := ldapsync.SIDFromBytes([]byte(v)); err == nil {
					sids = append(sids, sid)
				}
			}
			r.token = adsec.NewToken(sids...)
		}
		return nil
	})
	if err != nil {
		return r, lost("search", d.ep.name, "the rootDSE", err)
	}
	return r, nil
}

// one makes a search for one object and returns the entry. No entry is ErrNotFound: an object the account may not see. The
// second ends it, whatever else the server would send.
func (d *Dir) one(ctx context.Context, c *conn, r request, what string) (entry, error) {
	s, err := c.search(r, d.cfg.ReadTimeout)
	if err != nil {
		return entry{}, lost("search", d.ep.name, what, errors.Join(errLost, err))
	}
	var found entry
	have := false
	for {
		e, res, err := s.next(ctx)
		switch {
		case err != nil:
			return entry{}, lost("search", d.ep.name, what, err)
		case res == nil && have:
			s.leave()
			return entry{}, &Error{Op: "search", Server: d.ep.name, Object: what, cause: errors.New("more than one object has this identity")}
		case res == nil:
			found, have = e.keep(), true
		case res.code != 0:
			return entry{}, refusal("search", d.ep.name, what, res.code, res.matched, res.diagnostic)
		case !have:
			e := &Error{Op: "search", Server: d.ep.name, Object: what, cause: errors.New("no such object, or none that the account may see")}
			return entry{}, e.as(ldapsync.ErrNotFound)
		default:
			return found, nil
		}
	}
}
