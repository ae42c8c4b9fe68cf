package ldapdir

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync"
)

// dirSyncBytes is how much one answer of a DirSync search may hold (MaxBytes).
const dirSyncBytes = 1 << 20

// Flags of the DirSync control ([MS-ADTS] section 3.1.1.3.4.1.3).
const dirSyncObjectSecurity = 0x1

// matchNothing is a filter no object satisfies: every object has a class.
const matchNothing = "(!(objectClass=*))"

// Changed calls each for the objects of the domain that have changed since the cookie was given, in any of the
// attributes or by name or place, and returns the next cookie (DirSync, [MS-ADTS] section 3.1.1.3.4.1.3). An object
// may come several times; one that was deleted or moved away comes as well, as far as the account sees it. An empty
// cookie asks for one that stands for now; each is not called then.
//
// With replication set, the account needs the right DS-Replication-Get-Changes on the domain, and the error wraps
// ldapsync.ErrPermission where it has not; without it an ordinary account suffices and sees what it may read. A
// cookie may be used at another domain controller of the domain. One the server does not take is an *Error with
// ResultUnavailableExtension. Active Directory only.
func (d *Dir) Changed(ctx context.Context, cookie []byte, attrs []string, replication bool, each func(ldapsync.GUID) error) (next []byte, err error) {
	if d.cfg.Kind != ActiveDirectory {
		return nil, &Error{Op: "search", Server: d.ep.name, Code: ResultUnavailableExtension, Advice: "DirSync is of Active Directory only"}
	}
	err = d.with(ctx, func(c *conn) error {
		next, err = d.dirSync(ctx, c, cookie, attrs, replication, each)
		return err
	})
	return next, err
}

func (d *Dir) dirSync(ctx context.Context, c *conn, cookie []byte, attrs []string, replication bool, each func(ldapsync.GUID) error) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	flags, filter := int64(dirSyncObjectSecurity), "(objectClass=*)"
	if replication {
		flags = 0
	}
	if len(cookie) == 0 {
		filter = matchNothing
	}
	want := append([]string{"name"}, attrs...)
	c.l.SetTimeout(d.cfg.ReadTimeout)
	defer c.l.SetTimeout(0)
	for {
		ask := ldap.NewSearchRequest(c.root.defaultNC, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, want,
			[]ldap.Control{ldap.NewRequestControlDirSync(flags, dirSyncBytes, cookie)})
		r, err := c.l.Search(ask)
		if err != nil {
			e, answered := fromLDAP("search", d.ep.name, "the changes of "+c.root.defaultNC, err)
			if !answered && ctx.Err() != nil {
				return nil, lost("search", d.ep.name, "the changes of "+c.root.defaultNC, ctx.Err())
			}
			return nil, e
		}
		for _, e := range r.Entries {
			id, err := ldapsync.GUIDFromBytes(e.GetRawAttributeValue("objectGUID"))
			if err != nil {
				return nil, d.undecodable(e.DN, fmt.Errorf("objectGUID: %w", err))
			}
			if err := each(id); err != nil {
				return nil, err
			}
		}
		answer, ok := ldap.FindControl(r.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
		if !ok || len(answer.Cookie) == 0 {
			return nil, &Error{Op: "search", Server: d.ep.name, Code: ResultUnavailableExtension, Advice: "the server answered without a DirSync cookie"}
		}
		more := answer.Flags != 0
		if more && string(answer.Cookie) == string(cookie) {
			return nil, lost("search", d.ep.name, "the changes of "+c.root.defaultNC, errors.New("there is more, says the server, but the cookie stays the same"))
		}
		cookie = answer.Cookie
		if !more {
			return cookie, nil
		}
	}
}

// Unversioned returns those of the attributes whose changes do not show in uSNChanged of the object: back links such
// as memberOf, which change with another object, attributes that are computed when asked for, and attributes that
// are not replicated (linkID and systemFlags of the attributeSchema object, [MS-ADTS] section 3.1.1.2.3). An attribute
// the schema does not have is not among them. Active Directory only; elsewhere all attributes are returned.
func (d *Dir) Unversioned(ctx context.Context, attrs []string) (out []string, err error) {
	if d.cfg.Kind != ActiveDirectory {
		return attrs, nil
	}
	err = d.with(ctx, func(c *conn) error {
		out = nil
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		defer stop()
		c.l.SetTimeout(d.cfg.ReadTimeout)
		defer c.l.SetTimeout(0)
		for rest := attrs; len(rest) > 0; {
			n := min(len(rest), atOnce)
			filter := ""
			for _, a := range rest[:n] {
				filter += "(lDAPDisplayName=" + ldap.EscapeFilter(a) + ")"
			}
			rest = rest[n:]
			r, err := c.l.Search(ldap.NewSearchRequest(c.root.schemaNC, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
				"(|"+filter+")", []string{"lDAPDisplayName", "linkID", "systemFlags"}, nil))
			if err != nil {
				e, _ := fromLDAP("search", d.ep.name, "the schema", err)
				return e
			}
			for _, e := range r.Entries {
				link, flag := e.GetAttributeValue("linkID"), e.GetAttributeValue("systemFlags")
				odd := link != "" && strings.ContainsAny(link[len(link)-1:], "13579")
				bits, err := uint32(0), error(nil)
				if flag != "" {
					bits, err = flags(flag)
				}
				if err != nil {
					return d.undecodable(e.DN, fmt.Errorf("systemFlags: %w", err))
				}
				if odd || bits&(flagConstructed|flagNotReplicated) != 0 {
					out = append(out, e.GetAttributeValue("lDAPDisplayName"))
				}
			}
		}
		return nil
	})
	return out, err
}

const flagNotReplicated = 0x1 // systemFlags FLAG_ATTR_NOT_REPLICATED
