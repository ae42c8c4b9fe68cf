package comgmt

import (
	"fmt"
	"slices"
)

// A Verdict is who manages one workload on one device, and why.
type Verdict struct {
	Workload  Workload  `json:"-"`
	Authority Authority `json:"authority"`
	Rule      string    `json:"rule"`  // id of a [Rule]
	Basis     Basis     `json:"basis"` // derived where the rule needed an assumption
	// Evidence is what the verdict was made from, as sentences.
	Evidence []string `json:"evidence,omitempty"`
	// Changes is what would make the verdict another one, as sentences; empty where nothing in the plan would.
	Changes []string `json:"changes,omitempty"`
}

// An Effective is the answer for one device.
type Effective struct {
	Device string `json:"device"`
	// Workloads holds one verdict for each of the seven workloads.
	Workloads map[Workload]Verdict `json:"workloads"`
	// Notes are doubts about the device as a whole, as sentences.
	Notes []string `json:"notes,omitempty"`
}

// Verdict returns the verdict for w; for a value off the table, an unknown one.
func (e Effective) Verdict(w Workload) Verdict { return e.Workloads[w] }

// Intune returns the workloads that Intune manages.
func (e Effective) Intune() WorkloadSet { return e.with(AuthorityIntune) }

// ConfigMgr returns the workloads that Configuration Manager manages.
func (e Effective) ConfigMgr() WorkloadSet { return e.with(AuthorityConfigMgr) }

func (e Effective) with(a Authority) WorkloadSet {
	var s WorkloadSet
	for w, v := range e.Workloads {
		if v.Authority == a {
			s = s.With(w)
		}
	}
	return s
}

// Effective decides who manages each workload on d under p. The steps are those of the documentation and of
// clients seen, in this order: client installed, Windows edition, third-party MDM, enrolment, management authority, slider
// and collection; then resource access from site version 2403, then what Device Configuration takes along. Each
// step is sourced ([Rules]); that this is their order is derived.
//
// Join state is no step: an Entra registered device is not supported for co-management, which is a note.
func (p *Plan) Effective(d Device) Effective {
	c := decision{plan: p, device: &d, os: ParseOS(d.OS)}
	e := Effective{Device: d.Name, Workloads: make(map[Workload]Verdict, numWorkloads), Notes: c.notes()}
	for w := range AllWorkloads() {
		e.Workloads[w] = c.decide(w)
	}
	return e
}

// Observed decides from what the client itself shows: enrolment, ConfigInfo and flags, without any plan. A
// workload is unknown where the flags were not read. Device Configuration takes Resource access and Endpoint
// Protection along here too.
func (d Device) Observed() Effective {
	c := decision{device: &d, os: ParseOS(d.OS)}
	e := Effective{Device: d.Name, Workloads: make(map[Workload]Verdict, numWorkloads), Notes: c.notes()}
	for w := range AllWorkloads() {
		e.Workloads[w] = c.decide(w)
	}
	return e
}

// decision is one device under one plan; plan is nil for a decision from the client's own facts.
type decision struct {
	plan   *Plan
	device *Device
	os     OS
}

func verdict(w Workload, a Authority, rule string, evidence ...string) Verdict {
	r, _ := RuleByID(rule)
	return Verdict{Workload: w, Authority: a, Rule: rule, Basis: r.Basis, Evidence: evidence}
}

func (v Verdict) but(changes ...string) Verdict { v.Changes = append(v.Changes, changes...); return v }

// assuming marks a verdict that rests on something nobody read.
func (v Verdict) assuming(what string) Verdict {
	v.Evidence = append(v.Evidence, "assumed: "+what)
	if v.Basis != BasisUnknown {
		v.Basis = BasisDerived
	}
	return v
}

// enrolment returns the enrolment to decide by, and how it is known.
func (c *decision) enrolment() (Enrolment, string) {
	d := c.device
	if d.Enrolment != EnrolmentUnknown {
		return d.Enrolment, "enrolment: " + d.Enrolment.String()
	}
	switch {
	case d.ConfigInfo == ConfigInfoIntune, d.ConfigInfo == ConfigInfoConfigMgr:
		return EnrolmentIntune, "ConfigInfo " + d.ConfigInfo.String() + ": only an enrolled device has it"
	case d.ConfigInfo == ConfigInfoAbsent:
		return EnrolmentNone, "ConfigInfo is absent: not enrolled in Intune"
	}
	return EnrolmentUnknown, "enrolment was not read"
}

func (c *decision) decide(w Workload) Verdict {
	d := c.device
	enrolment, how := c.enrolment()
	if d.Client == ClientMissing {
		switch enrolment {
		case EnrolmentIntune:
			return verdict(w, AuthorityIntune, RuleNoClientEnrolled, "no Configuration Manager client", how).but("installing the client makes it co-managed")
		case EnrolmentUnknown:
			return verdict(w, AuthorityUnknown, RuleEnrolmentUnknown, "no Configuration Manager client", how).but("read the enrolment")
		}
		return verdict(w, AuthorityNone, RuleNoClient, "no Configuration Manager client", how).but("enrol it in Intune or install the client")
	}
	switch c.os.Kind {
	case WindowsServer, WindowsEarlier, OSOther:
		return verdict(w, AuthorityConfigMgr, RuleNotWindowsClient, fmt.Sprintf("operating system: %q", d.OS)).but("Windows 10 or later, client edition")
	}
	switch enrolment {
	case EnrolmentThirdParty:
		return verdict(w, AuthorityNone, RuleCoexistence, how).but("unenrol from the other service and enrol in Intune")
	case EnrolmentNone:
		v := verdict(w, AuthorityConfigMgr, RuleNotEnrolled, how)
		if d.ConfigInfo > 0 {
			v.Evidence = append(v.Evidence, "yet ConfigInfo is "+d.ConfigInfo.String()+", as on an enrolled device")
			v.Basis = BasisDerived
		}
		if d.Flags != nil && d.Flags.Has(w) {
			v.Evidence = append(v.Evidence, fmt.Sprintf("flags %v give it to Intune, which does not count without enrolment", *d.Flags))
		}
		return v.but(c.afterEnrolment(w)...)
	case EnrolmentUnknown:
		return c.undecided(w, how)
	}
	return c.enrolled(w, how)
}

// undecided answers for a device whose enrolment nobody read: the same either way, or unknown.
func (c *decision) undecided(w Workload, how string) Verdict {
	if then := c.enrolled(w, how); then.Authority == AuthorityConfigMgr {
		then.Evidence = append(then.Evidence, how+"; the answer is the same for a device that is not enrolled")
		return then
	}
	return verdict(w, AuthorityUnknown, RuleEnrolmentUnknown, how).but("read the enrolment: without one, Configuration Manager manages it")
}

// enrolled is the decision for a device enrolled in Intune.
func (c *decision) enrolled(w Workload, how string) Verdict {
	d := c.device
	override := d.Flags != nil && d.Flags.IsOverride()
	switch {
	case d.ConfigInfo == ConfigInfoAbsent:
		return verdict(w, AuthorityUnknown, RuleEnrolmentConflict, how, "ConfigInfo is absent").but("find out which of the two is out of date")
	case d.ConfigInfo == ConfigInfoConfigMgr && override:
		return verdict(w, AuthorityUnknown, RuleAuthorityConflict, how, "ConfigInfo is 2", "flags are the override "+Override.String()).but("let the client evaluate its policy, then read both again")
	case d.ConfigInfo == ConfigInfoIntune || override:
		v := verdict(w, AuthorityIntune, RuleIntuneAuthority, how)
		if d.ConfigInfo == ConfigInfoIntune {
			v.Evidence = append(v.Evidence, "ConfigInfo is 1")
		}
		if override {
			v.Evidence = append(v.Evidence, "flags are the override "+Override.String())
		} else if d.Flags != nil {
			v.Evidence = append(v.Evidence, fmt.Sprintf("flags %v are the site's, which are ignored", *d.Flags))
		}
		return v.but("a co-management settings policy without override and without automatic client installation")
	}
	v := c.bySlider(w)
	v.Evidence = append([]string{how}, v.Evidence...)
	switch d.ConfigInfo {
	case ConfigInfoConfigMgr:
		v.Evidence = append(v.Evidence, "ConfigInfo is 2: the site's sliders count")
	case ConfigInfoUnread:
		v = v.assuming("Configuration Manager is the authority (ConfigInfo was not read)")
	default:
		v = v.assuming("Configuration Manager is the authority (ConfigInfo is " + d.ConfigInfo.String() + ", which nobody has documented)")
	}
	return v
}

// bySlider is the decision for an enrolled device on which the site's sliders count.
func (c *decision) bySlider(w Workload) Verdict {
	if c.plan == nil {
		return c.byFlags(w)
	}
	p, d := c.plan, c.device
	if in, which := memberOfAny(d, p.exclusions()); in == Yes {
		return verdict(w, AuthorityConfigMgr, RuleExcluded, fmt.Sprintf("member of the exclusion collection %q", which)).but("take it out of the exclusion group")
	} else if in == Unknown {
		return verdict(w, AuthorityUnknown, RuleMembershipUnknown, "collections were not read, and the plan has an exclusion group").but("read the collections")
	}
	if w == ResourceAccess && p.Site.forcesResourceAccess() {
		return verdict(w, AuthorityIntune, RuleForced, "site version "+p.Site.String())
	}
	own := c.ownSlider(w)
	if own.Authority == AuthorityIntune || w != ResourceAccess && w != EndpointProtection {
		return own
	}
	dc := c.ownSlider(DeviceConfiguration)
	switch {
	case dc.Authority == AuthorityIntune:
		v := verdict(w, AuthorityIntune, RuleDeviceConfiguration, dc.Evidence...)
		if dc.Basis == BasisDerived {
			v.Basis = BasisDerived
		}
		return v.but("move Device Configuration back")
	case dc.Authority == AuthorityUnknown && own.Authority == AuthorityConfigMgr:
		v := verdict(w, AuthorityUnknown, dc.Rule, dc.Evidence...)
		v.Evidence = append(v.Evidence, "it would go along with Device Configuration")
		return v.but(dc.Changes...)
	}
	return own
}

// ownSlider is the decision by the workload's own slider.
func (c *decision) ownSlider(w Workload) Verdict {
	p, d := c.plan, c.device
	s := p.Setting(w)
	switch s.Slider {
	case SliderIntune:
		return verdict(w, AuthorityIntune, RuleSliderIntune, "slider: Intune").but("move the slider")
	case SliderConfigMgr:
		return verdict(w, AuthorityConfigMgr, RuleSliderConfigMgr, "slider: Configuration Manager").but("move the slider")
	case SliderPilot:
	default:
		return verdict(w, AuthorityUnknown, RuleMembershipUnknown, "slider: "+s.Slider.String()).but("give the slider a position that exists")
	}
	collections := p.pilotCollections(w)
	if len(collections) == 0 {
		return verdict(w, AuthorityConfigMgr, RulePilotEmpty, "slider: Pilot Intune, no collection").but("set a pilot collection", "move the slider to Intune")
	}
	switch in, which := memberOfAny(d, collections); in {
	case Yes:
		return verdict(w, AuthorityIntune, RulePilotMember, fmt.Sprintf("slider: Pilot Intune, member of %q", which)).but(fmt.Sprintf("take it out of %q", which), "move the slider to Configuration Manager")
	case No:
		return verdict(w, AuthorityConfigMgr, RulePilotOther, "slider: Pilot Intune, not a member of "+quoteAll(collections)).but("add it to "+quoteAll(collections), "move the slider to Intune")
	}
	if d.Flags != nil && d.ConfigInfo == ConfigInfoConfigMgr {
		return c.byFlags(w).assuming("the client has applied this plan; its collections were not read")
	}
	return verdict(w, AuthorityUnknown, RuleMembershipUnknown, "slider: Pilot Intune with "+quoteAll(collections), "collections of the device were not read").but("read the collections")
}

// byFlags is the decision by the client's own flags.
func (c *decision) byFlags(w Workload) Verdict {
	d := c.device
	if d.Flags == nil {
		return verdict(w, AuthorityUnknown, RuleFlagsUnread, "flags were not read").but("read the client's flags")
	}
	f := *d.Flags
	if f.Has(w) {
		return verdict(w, AuthorityIntune, RuleClientFlags, fmt.Sprintf("flags %v AND %v is %v", f, w.Bit(), f&w.Bit()))
	}
	if (w == ResourceAccess || w == EndpointProtection) && f.Has(DeviceConfiguration) {
		return verdict(w, AuthorityIntune, RuleDeviceConfiguration, fmt.Sprintf("flags %v AND %v is %v", f, DeviceConfiguration.Bit(), DeviceConfiguration.Bit()))
	}
	return verdict(w, AuthorityConfigMgr, RuleClientFlags, fmt.Sprintf("flags %v AND %v is 0", f, w.Bit()))
}

// afterEnrolment says what enrolment would do to a device that has none.
func (c *decision) afterEnrolment(w Workload) []string {
	if c.plan == nil {
		return []string{"enrol it in Intune"}
	}
	out := []string{"enrol it in Intune, then: " + c.bySlider(w).Authority.String()}
	if will, why := c.plan.WillEnrol(*c.device); will == Yes {
		out = append(out, "it is due to enrol by itself: "+why)
	} else if will == No {
		out = append(out, "it will not enrol by itself: "+why)
	}
	return out
}

// notes returns doubts that concern the whole device.
func (c *decision) notes() []string {
	d := c.device
	var out []string
	if e, _ := c.enrolment(); e == EnrolmentIntune {
		switch d.Join {
		case Registered, DomainJoined, NotJoined:
			out = append(out, "the device is "+d.Join.String()+": co-management supports Entra joined and hybrid joined devices only (Co-management overview), so it may not behave as decided here")
		}
	}
	if c.os.Kind == OSUnknown && d.Client != ClientMissing {
		out = append(out, fmt.Sprintf("operating system %q: taken as Windows 10 or later", d.OS))
	}
	if c.os.Kind == WindowsClient && c.os.Build > 0 && c.os.Build < build1709 {
		out = append(out, fmt.Sprintf("operating system %q: co-management needs Windows 10 1709", d.OS))
	}
	return slices.Clip(out)
}

// WillEnrol reports whether automatic enrolment would enrol d, and why, as a phrase. It is Unknown where the
// answer needs something that was not read. Already enrolled devices answer No.
func (p *Plan) WillEnrol(d Device) (Tri, string) {
	os := ParseOS(d.OS)
	switch {
	case d.Enrolment == EnrolmentIntune || d.ConfigInfo > 0 && d.Enrolment == EnrolmentUnknown:
		return No, "it is enrolled already"
	case d.Enrolment == EnrolmentThirdParty:
		return No, "it is enrolled in another service"
	case d.Client == ClientMissing:
		return No, "it has no Configuration Manager client"
	case os.Kind == WindowsServer, os.Kind == WindowsEarlier, os.Kind == OSOther:
		return No, "its operating system is not a client edition of Windows 10 or later"
	case os.Build > 0 && os.Build < build1709:
		return No, "it is older than Windows 10 1709"
	case d.Join == Registered, d.Join == DomainJoined, d.Join == NotJoined:
		return No, "it is " + d.Join.String() + ", not Entra joined or hybrid joined"
	case p.AutoEnrolment.Mode == EnrolNone:
		return No, "automatic enrolment is off"
	}
	if in, which := memberOfAny(&d, p.exclusions()); in == Yes {
		return No, fmt.Sprintf("it is in the exclusion collection %q", which)
	} else if in == Unknown {
		return Unknown, "its collections were not read"
	}
	covered := "automatic enrolment covers all devices"
	if p.AutoEnrolment.Mode == EnrolPilot {
		collections := nonEmpty([]string{p.AutoEnrolment.Collection})
		if len(collections) == 0 && p.Site < pilotPerWorkload {
			collections = nonEmpty(p.Legacy.PilotGroup)
		}
		if len(collections) == 0 {
			return No, "automatic enrolment is Pilot without a collection"
		}
		switch in, which := memberOfAny(&d, collections); in {
		case Unknown:
			return Unknown, "its collections were not read"
		case No:
			return No, "it is not in " + quoteAll(collections)
		case Yes:
			covered = fmt.Sprintf("it is in %q", which)
		}
	}
	switch {
	case d.Join == JoinUnknown:
		return Unknown, "its join state was not read"
	case d.Enrolment == EnrolmentUnknown && d.ConfigInfo != ConfigInfoAbsent:
		return Unknown, "its enrolment was not read"
	}
	return Yes, covered
}
