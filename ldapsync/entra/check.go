package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// A MasteredError is a write to a property whose authority is the Active Directory that the object is, or was,
// synchronised from. It wraps ldapsync.ErrPermission: no permission of Graph's helps.
type MasteredError struct {
	Class    ldapsync.Class
	ID       ldapsync.GUID
	Property string
	Was      bool // synchronised once, and not any more
	Err      error
}

// Error says who is the authority and what to do.
func (e *MasteredError) Error() string {
	if e.Was {
		return fmt.Sprintf("entra: %s %s: %s: the object was synchronised from Active Directory once; after that only Exchange's tools can change it (Set-Mailbox or Set-User), not Graph", e.Class, e.ID, e.Property)
	}
	return fmt.Sprintf("entra: %s %s: %s: the object is synchronised from Active Directory, which is the authority: change it there, or map a directory extension instead", e.Class, e.ID, e.Property)
}

// Unwrap returns ErrPermission and what Graph said, if it was asked.
func (e *MasteredError) Unwrap() []error {
	if e.Err == nil {
		return []error{ldapsync.ErrPermission}
	}
	return []error{ldapsync.ErrPermission, e.Err}
}

// CheckTrack refuses a track that would write what cannot be written, before anything is read: an error for each
// such rule, joined, each a *ReadOnlyError with the reason and what writes it instead.
func (t *Target) CheckTrack(track ldapsync.Track) error {
	if _, err := t.info(track.Class); err != nil {
		return err
	}
	var errs []error
	refuse := func(rule, attr, why string) {
		errs = append(errs, &ReadOnlyError{Track: track.Name, Class: track.Class, Rule: rule, Property: attr, Why: why})
	}
	for _, r := range track.Mapping {
		if p, why := t.writable(track.Class, r.To); p == nil {
			refuse(r.Name(), r.To, why)
		}
	}
	if j := track.Join; j.Anchor != "" {
		if p, why := t.writable(track.Class, j.Anchor); p == nil && !j.KeepAnchor {
			refuse("anchor", j.Anchor, why+"; set Join.KeepAnchor to join by it without writing it")
		}
	}
	for _, k := range track.Join.Keys {
		if t.find(track.Class, k.Target) == nil {
			errs = append(errs, t.unknown(track.Class, k.Target))
		}
	}
	if track.Policy.Create {
		errs = append(errs, fmt.Errorf("entra: track %s: Policy.Create: %w", track.Name, creates(track.Class)))
	}
	if track.Policy.Leave == ldapsync.LeaveDelete && !t.cfg.Delete {
		errs = append(errs, fmt.Errorf("entra: track %s: the policy deletes what leaves: %w: set Config.Delete if it shall", track.Name, ErrUnsupported))
	}
	if track.Place.Container != (ldapsync.ContainerRef{}) {
		errs = append(errs, fmt.Errorf("entra: track %s: Entra ID has no organisational units; leave the placement's container empty", track.Name))
	}
	return errors.Join(errs...)
}

func creates(class ldapsync.Class) error {
	if class == ldapsync.Device {
		return fmt.Errorf("%w: a device is made by its own registration, for hybrid join after Entra Connect or Cloud Sync sent its certificate", ErrUnsupported)
	}
	return fmt.Errorf("%w: users are made by Entra Connect, Cloud Sync, or API-driven provisioning (package bulk)", ErrUnsupported)
}

// writable finds a property that can be written, or says why it cannot.
func (t *Target) writable(class ldapsync.Class, attr string) (*Property, string) {
	p := t.class[class].table.find(attr)
	if p == nil {
		if strings.EqualFold(attr, "cn") {
			return nil, "objects of Entra ID have no distinguished name; it stands for " + t.class[class].name.Name
		}
		var e *ReadOnlyError
		errors.As(t.unknown(class, attr), &e)
		return nil, e.Why
	}
	if p.ReadOnly != "" {
		return nil, p.ReadOnly
	}
	return p, ""
}

// checkMastered refuses what the authority of Active Directory forbids, from the object's own properties.
func checkMastered(p *patch, m map[string]json.RawMessage) error {
	synced := string(m["onPremisesSyncEnabled"]) == "true"
	once := synced || jsonText(m["onPremisesLastSyncDateTime"]) != ""
	for i, prop := range p.props {
		switch {
		case synced && (prop.Mastered || prop.NeverSynced):
			return &MasteredError{Class: p.class, ID: p.id, Property: p.attrs[i]}
		case once && prop.NeverSynced:
			return &MasteredError{Class: p.class, ID: p.id, Property: p.attrs[i], Was: true}
		}
	}
	return nil
}

// mastered recognises Graph's own refusal, for objects that became synchronised after they were read.
func (t *Target) mastered(p *patch, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest && strings.Contains(e.Message, "on-premises mastered") {
		return &MasteredError{Class: p.class, ID: p.id, Property: strings.Join(p.attrs, ", "), Err: err}
	}
	return err
}
