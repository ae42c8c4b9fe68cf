package dsreg

import (
	"fmt"
	"strings"
)

// maxListed is how many rows a finding about the capture itself lists.
const maxListed = 20

func captureRules() []Rule {
	context := func(id, title, cause string, is func(Context) bool) Rule {
		return Rule{ID: id, Title: title, Phase: PhaseCapture, Severity: Info, Source: srcDsregcmd + ", introduction", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				if is(c.Context) {
					report(Finding{Rows: c.Context.Rows, Cause: cause, Remedy: "For facts about a user, run it un-elevated in that user's session; for the join itself, as SYSTEM.", Transient: No})
				}
			}}
	}
	return []Rule{
		context("context-elevated", "The command ran elevated", "Rows about the user, tokens and Windows Hello may not be those of the signed-in user.", func(x Context) bool { return x.Elevated }),
		context("context-system", "The command ran as SYSTEM", "Rows about the user, tokens and Windows Hello are those of the computer account, not of a user. The pre-join tests are as the join sees them.", func(x Context) bool { return x.System }),
		context("context-remote", "The command ran in a remote session", "In a remote shell rows about the user do not count; in a remote desktop session Windows Hello is not provisioned.", func(x Context) bool { return x.RemoteShell || x.RemoteDesk }),
		context("context-local-account", "A local account ran the command", "It has no identity in Microsoft Entra ID: rows about the user and tokens say NO by design.", func(x Context) bool { return x.LocalAccount }),
		{ID: "tests-skipped", Title: "Tests were not run", Phase: PhaseCapture, Severity: Info, Source: srcDsregcmd + ", pre-join diagnostics", Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				var cells []*Cell
				failed := false
				for _, t := range c.Status.Diagnostics.Pre.tests() {
					failed = failed || t.Result == Fail
					if t.State == NotTested {
						cells = append(cells, &t.Cell)
					}
				}
				if len(cells) > 0 && failed {
					report(Finding{Rows: c.Cells(cells...), Cause: "Tests after the first failure are skipped; they say nothing.", Remedy: "Repair the first failure, then test again.", Transient: No})
				}
			}},
		{ID: "capture-truncated", Title: "The capture is not complete", Phase: PhaseCapture, Severity: Info, Source: srcOwn, Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				st := c.Status
				var why []string
				if st.Source.CutEnd {
					why = append(why, fmt.Sprintf("it ends inside a box or a row (line %d)", st.Source.LastLine))
				}
				if st.Source.CutStart {
					why = append(why, "it begins inside a box")
				}
				for _, t := range st.texts {
					if t.Class == TextElision {
						why = append(why, fmt.Sprintf("lines were left out (line %d)", t.Line))
					}
				}
				if !st.Has(SecDeviceState) && !st.Device.AzureAdJoined.Present() {
					why = append(why, `there is no "Device State"`)
				} else {
					for _, sec := range []Section{SecUserState, SecDeviceDetails} {
						old := st.Details.KeyContainerID.Present() || st.OldRegistration != nil // in "Device State" up to 1803
						if !st.Has(sec) && (sec == SecUserState && !st.User.NgcSet.Present() || sec == SecDeviceDetails && st.Device.AzureAdJoined.Yes() && !old) {
							why = append(why, fmt.Sprintf("there is no %q", sec))
						}
					}
				}
				if len(why) == 0 {
					return
				}
				f := Finding{Cause: strings.ToUpper(why[0][:1]) + strings.Join(why, "; ")[1:] + ".", Remedy: "Take the whole output; rules whose rows are missing stay silent.", Transient: No}
				if n := len(st.fields); n > 0 {
					f.Rows = []Field{st.fields[n-1]}
				}
				report(f)
			}},
		{ID: "capture-redacted", Title: "Values were redacted", Phase: PhaseCapture, Severity: Info, Source: srcOwn, Applies: func(c *Case) bool { return true },
			Check: func(c *Case, report func(Finding)) {
				var rows []Field
				n := 0
				for _, f := range c.Status.fields {
					if redacted(f.Value) {
						if n++; len(rows) < maxListed {
							rows = append(rows, f)
						}
					}
				}
				if n > 0 {
					report(Finding{Rows: rows, Cause: fmt.Sprintf("%d values were replaced or shortened; they cannot be compared.", n), Remedy: "Nothing, or use the package's own redaction, which keeps values comparable.", Transient: No})
				}
			}},
		{ID: "capture-old-layout", Title: "The capture is from Windows 10 1803 or earlier", Phase: PhaseCapture, Severity: Info, Source: srcCaptures, Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				if v := c.Status.Layout(); v.Old {
					f := Finding{Rows: v.Rows, Cause: "Layout of " + v.Builds + ": device and tenant data stand in \"Device State\", tokens in \"User State\".", Remedy: "Nothing.", Transient: No}
					if c.Status.OldRegistration != nil {
						f.Cause += " The device is not joined, so its device and tenant rows describe the user's work account."
					}
					report(f)
				}
			}},
		{ID: "encoding-repaired", Title: "The text was repaired while reading", Phase: PhaseCapture, Severity: Info, Source: "Microsoft Q&A 753549", Applies: func(c *Case) bool { return true },
			Check: func(c *Case, report func(Finding)) {
				src := &c.Status.Source
				var rows []Field
				for _, r := range src.Repairs {
					for _, f := range c.Status.fields {
						if f.Line == r.Line && f.Value == r.To && len(rows) < maxListed {
							rows = append(rows, f)
						}
					}
				}
				switch {
				case len(src.Repairs) > 0:
					report(Finding{Rows: rows, Cause: fmt.Sprintf("A console with an OEM code page showed ANSI text: %q was read as %q.", clip(src.Repairs[0].From, 80), clip(src.Repairs[0].To, 80)), Remedy: "Compare the names before using them.", Transient: No, Confidence: Medium})
				case src.Encoding == CP1252 || src.Encoding == CP850:
					for _, f := range c.Status.fields {
						if !isASCII(f.Value) && len(rows) < maxListed {
							rows = append(rows, f)
						}
					}
					report(Finding{Rows: rows, Cause: "The bytes are not UTF-8 and were read as " + string(src.Encoding) + ".", Remedy: "Compare names that hold other letters than ASCII before using them.", Transient: No, Confidence: Medium})
				}
			}},
		{ID: "multiple-captures", Title: "The input holds several captures", Phase: PhaseCapture, Severity: Info, Source: srcOwn, Applies: func(c *Case) bool { return true },
			Check: func(c *Case, report func(Finding)) {
				if c.Status.Several {
					report(Finding{Rows: firstRow(c.Status), Cause: fmt.Sprintf("This is capture %d, lines %d to %d.", c.Status.Index, c.Status.Source.FirstLine, c.Status.Source.LastLine), Remedy: "Judge each by itself; they may be of different users or times.", Transient: No})
				}
			}},
		{ID: "unknown-rows", Title: "The capture has rows that the catalogue does not know", Phase: PhaseCapture, Severity: Info, Source: srcOwn, Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				var rows []Field
				n := 0
				for i, f := range c.Status.fields {
					if f.row == 0 && f.Section != sectionTitles[SecLog] && f.Section != sectionTitles[SecAccounts] && !c.Status.vendorPair(i) {
						if n++; len(rows) < maxListed {
							rows = append(rows, f)
						}
					}
				}
				if n > 0 {
					report(Finding{Rows: rows, Cause: fmt.Sprintf("%d rows are kept as they are; no rule looks at them. A newer build may print them.", n), Remedy: "Nothing.", Transient: No})
				}
			}},
	}
}

func firstRow(s *Status) []Field {
	if len(s.fields) == 0 {
		return nil
	}
	return s.fields[:1:1]
}

// vendorPair reports a row of "Virtual Desktop Settings" whose label the vendor chose.
func (s *Status) vendorPair(i int) bool {
	for _, f := range s.VirtualDesktop.Pairs {
		if f.Line == s.fields[i].Line && f.Label == s.fields[i].Label {
			return true
		}
	}
	return false
}

// redacted recognises what people put in place of a value.
func redacted(v string) bool {
	if v == "" {
		return false
	}
	if strings.Contains(v, "REDACTED_") || strings.Contains(v, "[REDACTED") || v == "REDACTED" || strings.Contains(v, "EUII Hidden") || strings.Contains(v, "****") || strings.Contains(v, "***\\") || strings.Contains(v, "[Date]") || strings.Contains(v, "{lots of") {
		return true
	}
	for _, run := range [...]string{"xxxx", "XXXX", "yyyy", "zzzz"} {
		if strings.Contains(v, run) {
			return true
		}
	}
	// <Tenant ID>
	if i := strings.IndexByte(v, '<'); i >= 0 && strings.IndexByte(v[i:], '>') > 1 && !strings.Contains(v, "://") {
		return true
	}
	// 72f9...db47
	i := strings.Index(v, "...")
	return i > 0 && i+3 < len(v) && unhex(v[i-1]) < 16 && unhex(v[i+3]) < 16 && !strings.Contains(v, " ")
}
