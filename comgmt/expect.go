package comgmt

// An Expectation is what a device should show once it has applied a plan. It is a prediction from derived rules: the
// way clients merge policies is not documented.
type Expectation struct {
	// Flags is the number the client should show, nil where it cannot be said: an unknown site version, unknown
	// membership, or a device the policy does not apply to. Enrolment does not matter to it.
	Flags *Flags `json:"flags"`
	// Features are Graph's booleans by workload, true for Intune. They are Unknown for a device that
	// is not enrolled, where [Plan.Effective] is unknown, and for a workload that only goes along with Device
	// Configuration: what Graph says then is not documented.
	Features map[Workload]Tri `json:"features"`
}

// Expect predicts what d shows under p.
func (p *Plan) Expect(d Device) Expectation {
	e := Expectation{Flags: p.expectFlags(&d), Features: make(map[Workload]Tri, numWorkloads)}
	effective := p.Effective(d)
	for w := range AllWorkloads() {
		v := effective.Verdict(w)
		switch v.Rule {
		case RuleNotEnrolled, RuleCoexistence, RuleNoClient, RuleNoClientEnrolled, RuleNotWindowsClient, RuleDeviceConfiguration:
			e.Features[w] = Unknown
			continue
		}
		switch {
		case d.Enrolment == EnrolmentUnknown && d.ConfigInfo <= 0:
			e.Features[w] = Unknown
		case v.Authority == AuthorityIntune:
			e.Features[w] = Yes
		case v.Authority == AuthorityConfigMgr:
			e.Features[w] = No
		default:
			e.Features[w] = Unknown
		}
	}
	return e
}

// expectFlags ORs the production policy and the pilot policies of the collections d is in.
func (p *Plan) expectFlags(d *Device) *Flags {
	if d.Client == ClientMissing || d.Enrolment == EnrolmentThirdParty {
		return nil
	}
	switch ParseOS(d.OS).Kind {
	case WindowsServer, WindowsEarlier, OSOther:
		return nil
	}
	if d.ConfigInfo == ConfigInfoIntune || d.Flags != nil && d.Flags.IsOverride() {
		if d.Flags != nil && d.Flags.IsOverride() {
			return new(Override)
		}
		return nil // seen on clients: the override arrives later than ConfigInfo may, or the site's value stays
	}
	if in, _ := memberOfAny(d, p.exclusions()); in != No {
		return nil
	}
	var s WorkloadSet
	for w := range AllWorkloads() {
		switch p.Setting(w).Slider {
		case SliderIntune:
			s = s.With(w)
		case SliderPilot:
			switch in, _ := memberOfAny(d, p.pilotCollections(w)); in {
			case Yes:
				s = s.With(w)
			case Unknown:
				return nil
			}
		}
	}
	f, err := EncodeFlags(p.Site, s)
	if err != nil {
		return nil
	}
	return &f
}
