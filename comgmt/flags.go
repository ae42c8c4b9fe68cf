package comgmt

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Flags is the co-management capabilities value of a client or a site policy: CoManagementFlags in the registry
// (HKLM\SOFTWARE\Microsoft\CCM), "Co-management capabilities" in the control panel, ComgmtWorkloads in WMI,
// MDMWorkloads in SQL. The zero Flags is "co-management not configured". Nothing a Flags holds is ever dropped.
//
// Flags say what the site asked for, not who manages a workload: a device that is not enrolled in Intune
// is managed by Configuration Manager whatever its flags say. See [Plan.Effective] and [Device.Observed].
type Flags uint64

// Bits that have a meaning. The bits 2, 4 and 16 appear in Microsoft's "Troubleshoot co-management workloads";
// the others are community tables that agree with values seen on clients.
const (
	bitConfigured          Flags = 1
	bitCompliance          Flags = 2
	bitResourceAccess      Flags = 4
	bitDeviceConfiguration Flags = 8
	bitWindowsUpdate       Flags = 16
	bitEndpointProtection  Flags = 32
	bitClientApps          Flags = 64
	bitOffice              Flags = 128
	bitEndpointCompanion   Flags = 4096 // goes with bit 32 from 2111 on; what it means alone is not known
	bitBaseCompanion       Flags = 8192 // goes with bit 1 from 2111 on; what it means alone is not known
)

// Override is the value a client shows when Intune is the authority for all workloads: a co-management settings
// policy overrides the site's sliders, or the device enrolled first. Seen on clients; Microsoft does not document it.
const Override Flags = 0x7FFFF0FF

// LegacyMask is the greatest value clients up to 2107 take ("max capabilities" in CoManagementHandler.log). A
// 2111 value seen through it looks like a legacy one: 8257 becomes 65.
const LegacyMask Flags = 4095

// An Era is the generation of site that wrote a value.
type Era uint8

const (
	EraNone    Era = iota // the value is 0: co-management is not configured
	EraLegacy             // site up to 2107, or a newer value through a mask that cut the upper bits
	Era2111               // site 2111 or later: bit 8192 is set
	EraUnknown            // neither bit 1 nor bit 8192: no site is known to write this
)

var eraNames = [...]string{EraNone: "none", EraLegacy: "legacy", Era2111: "2111+", EraUnknown: "unknown"}

// String returns "none", "legacy", "2111+" or "unknown"; these are also the values in JSON.
func (e Era) String() string {
	if int(e) < len(eraNames) {
		return eraNames[e]
	}
	return "Era(" + strconv.Itoa(int(e)) + ")"
}

// Era tells which generation of site wrote f. A legacy era may also be a masked 2111 value: the number alone
// cannot tell, see [Decoded.MaskPossible].
func (f Flags) Era() Era {
	switch {
	case f == 0:
		return EraNone
	case f&bitBaseCompanion != 0:
		return Era2111
	case f&bitConfigured != 0:
		return EraLegacy
	}
	return EraUnknown
}

// Configured reports whether a co-management policy is in f. The base is bit 1 in every era, never 8193.
func (f Flags) Configured() bool { return f&bitConfigured != 0 }

// IsOverride reports whether f is [Override].
func (f Flags) IsOverride() bool { return f == Override }

// Has reports whether f gives w to Intune, by w's bit alone. See [Flags] for why that is not authority.
func (f Flags) Has(w Workload) bool { return w.Known() && f&w.Bit() != 0 }

// Workloads returns the workloads whose bits are set.
func (f Flags) Workloads() WorkloadSet {
	var s WorkloadSet
	for w := range AllWorkloads() {
		if f.Has(w) {
			s = s.With(w)
		}
	}
	return s
}

// known is every bit that has a name or is the companion of one.
const known = Flags(255) | bitEndpointCompanion | bitBaseCompanion

// Unknown returns the bits of f nobody has named. The bits of [Override], which only ever come together, are not
// among them.
func (f Flags) Unknown() Flags {
	if f.IsOverride() {
		return 0
	}
	return f &^ known
}

// Bits returns the set bits of f from the lowest up, as values (1, 2, 4 …); empty, never nil, for 0.
func (f Flags) Bits() []Flags {
	out := make([]Flags, 0, bits.OnesCount64(uint64(f)))
	for f != 0 {
		b := f & -f
		out = append(out, b)
		f &^= b
	}
	return out
}

// String returns the decimal value, as the control panel and the logs print it.
func (f Flags) String() string { return strconv.FormatUint(uint64(f), 10) }

// Hex returns the value as "0x2005".
func (f Flags) Hex() string { return fmt.Sprintf("0x%X", uint64(f)) }

// A Decoded is what a Flags says, with nothing lost: Decoded.Flags gives the number back.
type Decoded struct {
	Configured bool        // bit 1
	Override   bool        // the value is [Override] as a whole
	Era        Era         // see [Flags.Era]
	Workloads  WorkloadSet // workloads with Intune, by their bits
	Companions Flags       // 4096 and 8192, as found
	Unknown    Flags       // unassigned bits, as found (in an override: its bits without a name)
	// Masked is true when f cannot have been written whole: half of a pair that 2111 and later sites write
	// together (1 with 8192, 32 with 4096) is missing.
	Masked bool
	// MaskPossible is true when f looks legacy and would look the same if a newer site's value had passed
	// through a mask such as [LegacyMask].
	MaskPossible bool
}

// Decode takes f apart. Decode(f).Flags() == f for every f.
func (f Flags) Decode() Decoded {
	d := Decoded{
		Configured: f.Configured(),
		Override:   f.IsOverride(),
		Era:        f.Era(),
		Workloads:  f.Workloads(),
		Companions: f & (bitEndpointCompanion | bitBaseCompanion),
		Unknown:    f &^ known,
	}
	if !d.Override && f != 0 {
		ep, epc := f&bitEndpointProtection != 0, f&bitEndpointCompanion != 0
		newer := d.Companions != 0
		d.Masked = epc && !ep || newer && !d.Configured || newer && f&bitBaseCompanion == 0 || newer && ep && !epc
		d.MaskPossible = d.Era == EraLegacy && !d.Masked
	}
	return d
}

// Flags puts the parts together again.
func (d Decoded) Flags() Flags {
	f := d.Companions | d.Unknown
	if d.Configured {
		f |= bitConfigured
	}
	for w := range d.Workloads.All() {
		f |= w.Bit()
	}
	return f
}

// EncodeFlags returns the value a site of version v sends for the workloads in s. From 2111 on the base is 8193
// and Endpoint Protection 4128; from 2403 on resource access is always in. Bits follow the set as it is: that
// Device Configuration takes Resource access and Endpoint Protection along is not stated to change the
// number ("Co-management workloads"), and is left to [Plan.Effective]. It fails if v is unknown or has no
// co-management. It does not refuse workloads the version does not have yet; [Plan.Lint] does.
func EncodeFlags(v SiteVersion, s WorkloadSet) (Flags, error) {
	if v < firstCoManagement {
		return 0, fmt.Errorf("comgmt: the value depends on the site version, which is %v", v)
	}
	if v.forcesResourceAccess() {
		s = s.With(ResourceAccess)
	}
	f := bitConfigured
	if v >= cloudAttach {
		f |= bitBaseCompanion
	}
	for w := range s.All() {
		f |= w.Bit()
		if v >= cloudAttach {
			f |= w.row().companion
		}
	}
	return f, nil
}

// MergeFlags computes what a client makes of several policies: all of them OR-ed, then cut by the client's "max
// capabilities" mask; a mask of 0 cuts nothing. Derived from the wording of CoManagementHandler.log; Microsoft does not document it.
func MergeFlags(mask Flags, policies ...Flags) Flags {
	var f Flags
	for _, p := range policies {
		f |= p
	}
	if mask != 0 {
		f &= mask
	}
	return f
}

// Explain returns f in one sentence for a local administrator.
func (f Flags) Explain() string {
	d := f.Decode()
	var b strings.Builder
	switch {
	case f == 0:
		return "Co-management is not configured: the client has no co-management policy."
	case d.Override:
		return "Intune is set as the authority for all workloads; the sliders of the Configuration Manager site are ignored."
	case d.Configured:
		b.WriteString("Co-management is configured; ")
	default:
		b.WriteString("Not a value any site is known to write (bit 1 is missing); ")
	}
	switch n := d.Workloads.Len(); n {
	case 0:
		b.WriteString("no workload is with Intune")
	case numWorkloads:
		b.WriteString("all seven workloads are set to Intune")
	default:
		rest := "the other " + spell(numWorkloads-n) + " stay"
		if n == numWorkloads-1 {
			rest = "the other one stays"
		}
		fmt.Fprintf(&b, "set to Intune: %s; %s with Configuration Manager", d.Workloads.Names(), rest)
	}
	switch d.Era {
	case EraLegacy:
		b.WriteString(" (written by a site up to 2107, or cut by a mask)")
	case Era2111:
		b.WriteString(" (written by site version 2111 or later)")
	}
	b.WriteString(".")
	if d.Era == Era2111 && d.Workloads == NewWorkloadSet(ResourceAccess) {
		b.WriteString(" From site version 2403 on resource access is always with Intune, so there this is the value with nothing moved.")
	}
	if d.Workloads.Has(DeviceConfiguration) && (!d.Workloads.Has(ResourceAccess) || !d.Workloads.Has(EndpointProtection)) {
		b.WriteString(" Device Configuration takes Resource access and Endpoint Protection along.")
	}
	if d.Masked {
		b.WriteString(" A mask has cut it: bits that are written together are not all there.")
	}
	if u := f.Unknown(); u != 0 {
		fmt.Fprintf(&b, " Bits without a known meaning: %s.", joinFlags(u.Bits()))
	}
	if d.Workloads != 0 {
		b.WriteString(" This only counts once the device is enrolled in Intune.")
	}
	return b.String()
}

func spell(n int) string {
	return [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven"}[n]
}

func joinFlags(fs []Flags) string {
	s := make([]string, len(fs))
	for i, f := range fs {
		s[i] = f.String()
	}
	return strings.Join(s, ", ")
}

// MarshalText returns the decimal value.
func (f Flags) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts what [ParseFlags] accepts.
func (f *Flags) UnmarshalText(b []byte) error {
	v, err := ParseFlags(string(b))
	if err == nil {
		*f = v
	}
	return err
}

// MarshalJSON returns the value as a JSON number.
func (f Flags) MarshalJSON() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalJSON accepts a whole number or a string that [ParseFlags] accepts.
func (f *Flags) UnmarshalJSON(b []byte) error {
	if len(b) > 1 && b[0] == '"' {
		s, err := strconv.Unquote(string(b))
		if err != nil {
			return fmt.Errorf("comgmt: flags: %w", err)
		}
		return f.UnmarshalText([]byte(s))
	}
	return f.UnmarshalText(b)
}

// ErrFlags is wrapped by every error of [ParseFlags].
var ErrFlags = errors.New("comgmt: not a co-management capabilities value")
