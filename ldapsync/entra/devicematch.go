package entra

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A DeviceState is how far a computer is on its way into Entra ID.
type DeviceState string

const (
	DeviceMissing    DeviceState = "missing"    // in Active Directory only
	DevicePending    DeviceState = "pending"    // synchronised, not registered
	DeviceRegistered DeviceState = "registered" // joined with both
	DeviceOther      DeviceState = "other"      // its deviceId is in Entra ID, but not as a hybrid-joined device
	DeviceOrphan     DeviceState = "orphan"     // hybrid-joined in Entra ID, and no such computer in Active Directory
)

// The issues of a DeviceMatch.
const (
	IssueDual        = "dual-state" // registered by a user before it was joined; both records are used
	IssueDuplicate   = "duplicate"  // another joined device of that name: it was installed or joined again
	IssueDisabled    = "disabled"   // disabled in Entra ID: it gets no tokens
	IssueADDisabled  = "disabled-in-ad"
	IssueStale       = "stale" // not seen for a long time
	IssueSID         = "sid"   // another SID than the computer's
	IssueCertificate = "certificate"
)

// A DeviceMatch is what is known of one computer, or of a hybrid-joined device without one.
type DeviceMatch struct {
	Computer ldapsync.GUID // objectGUID; zero for an orphan
	DN       ldapsync.DN
	Name     string
	State    DeviceState
	Device   *Device   // the device whose deviceId is the objectGUID
	Others   []*Device // devices of the same name, other than Device
	Issues   []DeviceIssue
}

// A DeviceIssue is something to look at, with the evidence.
type DeviceIssue struct {
	ID       string // one of the constants
	Evidence string
	Remedy   string
}

// DeviceRules say how MatchDevices judges. The zero value is useful.
type DeviceRules struct {
	Now        time.Time          // the reference time; required for stale and for certificates
	StaleAfter time.Duration      // 0 means 90 days, negative never
	Pending    func(*Device) bool // nil: Device.Pending
}

// ComputerAttrs are the attributes of computers that MatchDevices uses.
func ComputerAttrs() []string {
	return []string{"cn", "objectSid", "userAccountControl", "userCertificate"}
}

// MatchDevices brings the computers of Active Directory and the devices of Entra ID together: deviceId is the
// computer's objectGUID (Microsoft, "Microsoft Entra Connect Sync: Attributes synchronized", Windows 10). computers
// have the ComputerAttrs as far as they could be read. The result is sorted by name; what is only joined to, or
// registered with, Entra ID is not in it except as Others.
func MatchDevices(computers []ldapsync.Object, devices []Device, rules DeviceRules) []DeviceMatch {
	if rules.StaleAfter == 0 {
		rules.StaleAfter = 90 * 24 * time.Hour
	}
	if rules.Pending == nil {
		rules.Pending = (*Device).Pending
	}
	byID := make(map[ldapsync.GUID]*Device, len(devices))
	byName := make(map[string][]*Device)
	for i := range devices {
		d := &devices[i]
		if old := byID[d.DeviceID]; old == nil || old.Trust != ServerAD {
			byID[d.DeviceID] = d
		}
		name := strings.ToLower(d.Name)
		byName[name] = append(byName[name], d)
	}
	out := make([]DeviceMatch, 0, len(computers))
	known := make(map[ldapsync.GUID]bool, len(computers))
	for _, o := range computers {
		known[o.ID] = true
		m := DeviceMatch{Computer: o.ID, DN: o.DN, Device: byID[o.ID]}
		if cn, ok := o.Get("cn"); ok {
			m.Name = cn
		} else {
			_, m.Name = o.DN.RDN()
		}
		m.others(byName)
		m.judge(&o, &rules)
		out = append(out, m)
	}
	for i := range devices {
		d := &devices[i]
		if d.Trust != ServerAD || known[d.DeviceID] {
			continue
		}
		m := DeviceMatch{Name: d.Name, State: DeviceOrphan, Device: d}
		m.others(byName)
		m.judge(nil, &rules)
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b DeviceMatch) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Computer.String(), b.Computer.String()))
	})
	return out
}

func (m *DeviceMatch) others(byName map[string][]*Device) {
	for _, d := range byName[strings.ToLower(m.Name)] {
		if d != m.Device {
			m.Others = append(m.Others, d)
		}
	}
}

func (m *DeviceMatch) issue(id, remedy, format string, args ...any) {
	m.Issues = append(m.Issues, DeviceIssue{ID: id, Evidence: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (m *DeviceMatch) judge(o *ldapsync.Object, rules *DeviceRules) {
	d := m.Device
	switch {
	case m.State == DeviceOrphan:
	case d == nil:
		m.State = DeviceMissing
	case d.Trust != ServerAD:
		m.State = DeviceOther
	case rules.Pending(d):
		m.State = DevicePending
	default:
		m.State = DeviceRegistered
	}
	if o != nil {
		m.judgeComputer(o, rules)
	}
	for _, x := range m.Others {
		switch {
		case x.Trust == Workplace && d != nil && d.Trust == ServerAD:
			m.issue(IssueDual, "Windows 10 1809 and later removes the registration by itself at the next sign-in; else remove the account under \"Access work or school\"",
				"%s is registered as well, as device %s", x.Name, x.DeviceID)
		case x.Trust == ServerAD || x.Trust == AzureAD:
			m.issue(IssueDuplicate, "find out which one is in use by deviceId (dsregcmd /status) before the other is disabled; nothing here deletes devices",
				"another device of this name, %s, is joined as %s and was last seen %s", x.DeviceID, x.Trust, day(x.SeenAt))
		}
	}
	if d == nil {
		return
	}
	if d.Enabled != nil && !*d.Enabled {
		m.issue(IssueDisabled, "enable it in Entra ID, or leave it so if that was meant", "accountEnabled of the device is false")
	}
	if rules.StaleAfter > 0 && !rules.Now.IsZero() && !d.SeenAt.IsZero() && rules.Now.Sub(d.SeenAt) > rules.StaleAfter {
		m.issue(IssueStale, "disable it for a while before it is deleted (Microsoft, \"Manage stale devices\"); deleting loses its BitLocker keys", "last seen %s", day(d.SeenAt))
	}
}

func (m *DeviceMatch) judgeComputer(o *ldapsync.Object, rules *DeviceRules) {
	if v, ok := o.Get("userAccountControl"); ok {
		if uac, err := ldapsync.ParseUserAccountControl(v); err == nil && !uac.Enabled() {
			m.issue(IssueADDisabled, "none if that was meant: Entra Connect disables the device as well", "the computer account is disabled")
		}
	}
	if v, ok := o.Get("objectSid"); ok && m.Device != nil && !m.Device.SID.IsZero() {
		if sid, err := ldapsync.SIDFromBytes([]byte(v)); err == nil && sid != m.Device.SID {
			m.issue(IssueSID, "the record is of another computer, or of a copy of this one in another forest", "the computer is %s, the device %s", sid, m.Device.SID)
		}
	}
	// Without a certificate of its own a computer is not synchronised; a registered one needs it no more.
	if m.State == DeviceRegistered || rules.Now.IsZero() || o.Presence("userCertificate") == ldapsync.Unreadable {
		return
	}
	if state, _, evidence := ldapsync.HybridJoinCertificates(o.ID, o.All("userCertificate"), rules.Now); state != ldapsync.CertValid {
		m.issue(IssueCertificate, "the task Automatic-Device-Join on the computer writes it; see why it does not run (dsregcmd /status, User Device Registration log)", "%s", evidence)
	}
}

func day(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return t.UTC().Format("2006-01-02")
}
