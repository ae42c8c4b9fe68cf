package ldapdir

import (
	"context"
	"errors"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync"
)

// oidNotification is LDAP_SERVER_NOTIFICATION_OID ([MS-ADTS] section 3.1.1.3.4.1.9).
const oidNotification = "1.2.840.113556.1.4.528"

// Notify asks the server to tell of changes directly in a container, and calls changed for each, until the context
// ends or the connection does. It is called once more at the beginning, when the server has been asked: what happened
// before that was not told. Notify always returns an error; it wraps the context's error if that ended.
//
// A notification is a hint to look, not evidence. Windows tells of objects that are created, changed, deleted, moved
// in or moved out (Microsoft, "Change Notifications in Active Directory Domain Services"); Samba says nothing of
// objects deleted or moved out. The account needs no right beyond reading. Each call takes a connection of its own.
// Active Directory only.
func (d *Dir) Notify(ctx context.Context, container ldapsync.Container, changed func()) error {
	what := "notifications of " + container.DN.String()
	if d.cfg.Kind != ActiveDirectory {
		return &Error{Op: "search", Server: d.ep.name, Object: what, Code: ResultUnavailableExtension, Advice: "change notifications are of Active Directory only"}
	}
	c, err := d.get(ctx, false)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	base := container.DN.String()
	if !container.ID.IsZero() {
		base = "<GUID=" + container.ID.String() + ">"
	}
	ask := ldap.NewSearchRequest(base, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"objectGUID"},
		[]ldap.Control{ldap.NewControlString(oidNotification, true, "")})
	told := c.l.SearchAsync(ctx, ask, 16)
	// The requests of a connection are taken in order: when this is answered, the search is registered.
	if _, err := d.readRoot(ctx, c); err != nil {
		return err
	}
	changed()
	for told.Next() {
		changed()
	}
	if ctx.Err() != nil {
		return lost("search", d.ep.name, what, ctx.Err())
	}
	if err := told.Err(); err != nil {
		e, _ := fromLDAP("search", d.ep.name, what, err)
		return e
	}
	return lost("search", d.ep.name, what, errors.New("the server ended it"))
}
