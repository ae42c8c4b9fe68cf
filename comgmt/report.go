package comgmt

// The types of this file are what programs print as JSON. Their member names are stable.

// A FlagsReport is a capabilities value taken apart for JSON.
type FlagsReport struct {
	Value      Flags  `json:"value"`
	Hex        string `json:"hex"`
	Era        string `json:"era"` // none, legacy, 2111+, unknown
	Configured bool   `json:"configured"`
	Override   bool   `json:"override"`
	// Masked is true where the value cannot have been written whole; MaskPossible where it looks legacy and could
	// also be a newer value cut by a mask. See [Decoded].
	Masked       bool     `json:"masked"`
	MaskPossible bool     `json:"maskPossible"`
	Workloads    []string `json:"workloads"`   // identifiers, in the order of their bits
	UnknownBits  []Flags  `json:"unknownBits"` // values of single bits
	Explanation  string   `json:"explanation"`
}

// Report returns f for JSON.
func (f Flags) Report() FlagsReport {
	d := f.Decode()
	return FlagsReport{
		Value: f, Hex: f.Hex(), Era: d.Era.String(), Configured: d.Configured, Override: d.Override,
		Masked: d.Masked, MaskPossible: d.MaskPossible, Workloads: d.Workloads.Strings(), UnknownBits: f.Unknown().Bits(), Explanation: f.Explain(),
	}
}

// An ErrorReport is an error code explained for JSON.
type ErrorReport struct {
	Input    string `json:"input"` // as given
	Unsigned uint32 `json:"unsigned"`
	Signed   int32  `json:"signed"`
	Known    bool   `json:"known"` // the table or the facility explains it
	ErrorInfo
}

// ReportError parses and explains a code; the error is that of [ParseErrorCode].
func ReportError(s string) (ErrorReport, error) {
	c, err := ParseErrorCode(s)
	if err != nil {
		return ErrorReport{}, err
	}
	info, known := LookupError(c)
	return ErrorReport{Input: stripInvisible(s), Unsigned: uint32(c), Signed: c.Signed(), Known: known, ErrorInfo: info}, nil
}

// A GraphReport is a Graph entity explained for JSON.
type GraphReport struct {
	GraphObject
	CoManaged Tri `json:"coManaged"` // of a managedDevice: by its management agent
	// Workloads are Graph's booleans of a managedDevice by identifier, null for unknown; nil for other kinds.
	Workloads map[Workload]Tri `json:"workloads,omitempty"`
	// Missing explains the unknown ones.
	Missing    map[Workload]string `json:"missing,omitempty"`
	HealthText string              `json:"healthText,omitempty"`
	Meaning    string              `json:"meaning,omitempty"` // of an eligibility
	// CountsByWorkload are the counters of a comanagedDevicesSummary by identifier.
	CountsByWorkload map[Workload]int64 `json:"countsByWorkload,omitempty"`
	Notes            []string           `json:"notes,omitempty"`
}

// Report returns o for JSON.
func (o GraphObject) Report() GraphReport {
	r := GraphReport{GraphObject: o}
	switch o.Kind {
	case KindManagedDevice:
		r.CoManaged = o.Agent.CoManaged()
		f := Features{}
		switch {
		case o.Features != nil:
			f = *o.Features
			r.Missing = f.Missing()
		case o.HasFeatures:
			r.Notes = append(r.Notes, "configurationManagerClientEnabledFeatures is null: Intune knows of no Configuration Manager client")
		default:
			r.Notes = append(r.Notes, "the document has no configurationManagerClientEnabledFeatures: ask for it with $select")
		}
		r.Workloads = map[Workload]Tri{}
		for w := range AllWorkloads() {
			r.Workloads[w] = f.Get(w)
		}
		if f.Get(DeviceConfiguration) == Yes {
			for _, w := range [...]Workload{ResourceAccess, EndpointProtection} {
				if f.Get(w) != Yes {
					r.Notes = append(r.Notes, w.String()+" goes along with device-configuration, whatever its own member says")
				}
			}
		}
		if o.Agent == AgentConfigMgr {
			r.Notes = append(r.Notes, "management agent configurationManagerClient is tenant attach: not co-managed")
		}
		if o.NeverCheckedIn {
			r.Notes = append(r.Notes, "the last check-in is in 1900: the compliance workload is with Configuration Manager, so Intune does not keep it")
		}
		if o.Health != nil {
			r.HealthText = o.Health.Bits.String()
			if _, ok := HealthOf(o.Health.State); !ok {
				r.Notes = append(r.Notes, "client state "+clip(o.Health.State)+" is not in Graph's reference")
			}
		}
	case KindEligibleDevice:
		r.Meaning = o.Status.Meaning()
	case KindCoManagedSummary:
		r.CountsByWorkload = map[Workload]int64{}
		for w := range AllWorkloads() {
			if n, ok := o.Workload(w); ok {
				r.CountsByWorkload[w] = n
			}
		}
	}
	return r
}

// A CcmsetupReport is a client installation line explained for JSON.
type CcmsetupReport struct {
	*Ccmsetup
	Findings []Finding `json:"findings"`
}

// Report returns c and its findings for JSON.
func (c *Ccmsetup) Report() CcmsetupReport {
	r := CcmsetupReport{Ccmsetup: c, Findings: c.Lint()}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return r
}
