package dsreg

import (
	"fmt"
	"strconv"
	"strings"
)

// A JoinState is how a device is joined. The zero JoinState is Undetermined:
// a capture that does not say is never a device that is not joined.
type JoinState uint8

// Join states, by the table of Microsoft Learn, troubleshoot-device-dsregcmd,
// "Device state", with WorkplaceJoined as a fourth column.
const (
	Undetermined           JoinState = iota
	EntraJoined                      // Microsoft Entra joined (formerly Azure AD joined)
	HybridJoined                     // Microsoft Entra hybrid joined
	DomainJoined                     // joined to on-premises Active Directory only
	DRSJoined                        // registered with an on-premises device registration service (AD FS)
	Registered                       // Microsoft Entra registered (workplace joined)
	DomainJoinedRegistered           // DomainJoined, and this user has a work account
	NotJoined                        // neither; a workgroup computer
	Contradictory                    // a combination that cannot be
)

var joinNames = [...]string{"undetermined", "entra-joined", "hybrid-joined", "domain-joined", "drs-joined", "registered", "domain-joined+registered", "not-joined", "contradictory"}

// String returns the state's name, as in JSON; values off the table print as JoinState(n).
func (j JoinState) String() string {
	if int(j) < len(joinNames) {
		return joinNames[j]
	}
	return "JoinState(" + strconv.Itoa(int(j)) + ")"
}

// MarshalText returns the name; it fails for a value off the table.
func (j JoinState) MarshalText() ([]byte, error) {
	if int(j) >= len(joinNames) {
		return nil, fmt.Errorf("dsreg: no join state %d", uint8(j))
	}
	return []byte(joinNames[j]), nil
}

// UnmarshalText reads a name that String prints.
func (j *JoinState) UnmarshalText(b []byte) (err error) {
	*j, err = ParseJoinState(string(b))
	return err
}

// ParseJoinState reads a name that String prints, without regard to case.
func ParseJoinState(s string) (JoinState, error) {
	for i, name := range joinNames {
		if strings.EqualFold(s, name) {
			return JoinState(i), nil
		}
	}
	return 0, fmt.Errorf("dsreg: %q is not a join state", clip(s, 40))
}

// Title returns the current Microsoft name of the state, with the older one in brackets.
func (j JoinState) Title() string {
	switch j {
	case EntraJoined:
		return "Microsoft Entra joined (formerly Azure AD joined)"
	case HybridJoined:
		return "Microsoft Entra hybrid joined (formerly hybrid Azure AD joined)"
	case DomainJoined:
		return "joined to on-premises Active Directory only"
	case DRSJoined:
		return "joined to an on-premises device registration service"
	case Registered:
		return "Microsoft Entra registered (formerly workplace joined)"
	case DomainJoinedRegistered:
		return "joined to on-premises Active Directory; Microsoft Entra registered"
	case NotJoined:
		return "not joined (workgroup)"
	case Contradictory:
		return "contradictory"
	}
	return "undetermined"
}

// A Join is the join state with its grounds.
type Join struct {
	State JoinState
	// Registered tells whether this user has a work account. It is per user:
	// Maybe in a capture whose user rows are missing or failed.
	Registered Tri
	// Dual: hybrid joined and registered at once. Windows 10 1809 and later removes the registration by itself.
	Dual bool
	// Missing names the rows without which the state cannot be told, with what they say instead.
	Missing []string
	// Reason is one sentence for Contradictory and Undetermined, "" otherwise.
	Reason string
	// Rows are the rows that the state rests on.
	Rows []Field
}

// Join returns the join state. See JoinDetail for its grounds.
func (s *Status) Join() JoinState {
	st, _ := s.joinState()
	return st
}

// registered returns what the capture says about work accounts of its user.
func (s *Status) registered() Tri {
	if s.User.WorkplaceJoined.State == Set {
		return s.User.WorkplaceJoined.Value
	}
	if len(s.WorkAccounts) > 0 {
		return Yes // the box is printed for a registered user only
	}
	return Maybe
}

func (s *Status) joinState() (JoinState, string) {
	a, e, d, w := s.Device.AzureAdJoined.Value, s.Device.EnterpriseJoined.Value, s.Device.DomainJoined.Value, s.registered()
	switch {
	case a == Yes && e == Yes:
		return Contradictory, "AzureAdJoined and EnterpriseJoined are both YES, which cannot be"
	case a == No && e == Yes && d == No:
		return Contradictory, "EnterpriseJoined is YES without DomainJoined, which no documented state has"
	case a == Maybe || e == Maybe || d == Maybe:
		return Undetermined, "a row that decides is missing or failed"
	case a == Yes && d == No:
		return EntraJoined, ""
	case a == Yes:
		return HybridJoined, ""
	case e == Yes:
		return DRSJoined, ""
	case d == Yes && w == Yes:
		return DomainJoinedRegistered, ""
	case d == Yes:
		// The device's own state is certain even where the user's rows are not; Join.Registered tells.
		return DomainJoined, ""
	case w == Yes:
		return Registered, ""
	case w == No:
		return NotJoined, ""
	}
	return Undetermined, "the device is not joined, and whether its user is registered is not printed"
}

// JoinDetail returns the join state with the rows it rests on and what is missing.
func (s *Status) JoinDetail() Join {
	j := Join{Registered: s.registered()}
	j.State, j.Reason = s.joinState()
	j.Dual = j.State == HybridJoined && j.Registered == Yes
	for _, r := range [...]struct {
		label string
		f     *Flag
	}{{"AzureAdJoined", &s.Device.AzureAdJoined}, {"EnterpriseJoined", &s.Device.EnterpriseJoined}, {"DomainJoined", &s.Device.DomainJoined}, {"WorkplaceJoined", &s.User.WorkplaceJoined}} {
		if row, ok := s.rowOf(&r.f.Cell); ok {
			j.Rows = append(j.Rows, row)
		}
		if r.f.Value == Maybe && (r.label != "WorkplaceJoined" || j.State == Undetermined && j.Registered == Maybe) {
			said := r.f.State.String()
			if r.f.State != Absent {
				said = fmt.Sprintf("%s (%q)", r.f.State, clip(r.f.Raw, 40))
			}
			j.Missing = append(j.Missing, r.label+": "+said)
		}
	}
	return j
}
