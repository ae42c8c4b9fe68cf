package main

import (
	"fmt"
	"strings"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/scepclient/intune"
	"go.internal/hybridkit/scepclient/ndes"
)

// The packages rank what they find with words of their own. An information is not a fault: it passes.

func ofStatus(s comgmt.Status) adpreflight.State {
	switch s {
	case comgmt.StatusNotApplicable:
		return adpreflight.NotApplicable
	case comgmt.StatusPass, comgmt.StatusInfo:
		return adpreflight.Pass
	case comgmt.StatusWarning:
		return adpreflight.Warning
	case comgmt.StatusFailure:
		return adpreflight.Fail
	}
	return adpreflight.NotTried
}

func ofNDES(s ndes.Severity) adpreflight.State {
	switch s {
	case ndes.Healthy, ndes.Info:
		return adpreflight.Pass
	case ndes.Warning:
		return adpreflight.Warning
	case ndes.Error:
		return adpreflight.Fail
	}
	return adpreflight.NotTried
}

func ofIntune(s intune.Severity) adpreflight.State {
	switch s {
	case intune.Info:
		return adpreflight.Pass
	case intune.Warning:
		return adpreflight.Warning
	}
	return adpreflight.Fail
}

func ofDrift(s registry.Severity) adpreflight.State {
	if s == registry.Warning {
		return adpreflight.Warning
	}
	return adpreflight.Fail
}

// mostDetails is how many findings a check lists beside the one that speaks.
const mostDetails = 10

// merged makes one check of the findings about one thing: the first of the worst speaks, the others are listed.
func merged(id, title string, all []adpreflight.Check) adpreflight.Check {
	at := 0
	for i, c := range all {
		if c.State > all[at].State {
			at = i
		}
	}
	worst := all[at]
	worst.ID, worst.Title = id, title
	for i, c := range all {
		if i == at {
			continue
		}
		text := fmt.Sprintf("%s: %s", c.State, c.Evidence)
		if c.Title != "" {
			text = c.Title + ": " + text
		}
		if len(worst.Details) == mostDetails {
			worst.Details[mostDetails-1] = fmt.Sprintf("and %d more", len(all)-mostDetails)
			break
		}
		worst.Details = append(worst.Details, oneLine(text))
	}
	worst.Evidence, worst.Remedy = oneLine(worst.Evidence), oneLine(worst.Remedy)
	return worst
}

func untried(id, title, why, source string) []adpreflight.Check {
	return []adpreflight.Check{{ID: id, Title: title, Evidence: why, Source: source}}
}

// oneLine makes text of a file or a server fit for one line.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
}

// sentence ends a text with one full stop.
func sentence(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSuffix(strings.TrimSpace(p), "."); p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "; ")
}
