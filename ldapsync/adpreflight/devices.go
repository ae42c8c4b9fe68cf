package adpreflight

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

const sourceCertificates = `operations guide 7.9; Microsoft, "Understanding Microsoft Entra Connect 1.4.xx.x and device disappearance"`

func deviceSpecs(s Scope, with func(func(*runner, *scopeData) verdict) func(*runner) verdict) []spec {
	return []spec{
		{s.ID + ".enabled", "no computer account is disabled", "operations guide 7.9", false, with((*runner).devicesEnabled)},
		{s.ID + ".operating-system", "every device runs Windows 10 or later", sourceCertificates, false, with((*runner).devicesSystem)},
		{s.ID + ".dns-name", "every device has a DNS name", "operations guide 7.9 (dNSHostName, written by the device when it joins the domain)", false, with((*runner).devicesNamed)},
		{s.ID + ".certificates", "the certificates of the devices can start a hybrid join", sourceCertificates, false, with((*runner).certificates)},
	}
}

// devices counts those that f finds something about.
func (d *scopeData) devices(f func(entry) string) (findings []string) {
	for _, o := range d.objects {
		if why := f(o); why != "" {
			findings = append(findings, o.dn+": "+why)
		}
	}
	slices.Sort(findings)
	return findings
}

func (r *runner) devicesEnabled(d *scopeData) verdict {
	if v, ok := d.seen(); !ok {
		return v
	}
	unknown := 0
	found := d.devices(func(e entry) string {
		v, err := ldapsync.ParseUserAccountControl(one(e.attrs, "userAccountControl"))
		if err != nil {
			unknown++
			return ""
		}
		if !v.Enabled() {
			return "disabled"
		}
		return ""
	})
	switch {
	case len(found) > 0:
		return warn("enable the account (Enable-ADAccount), or move the object out of the organisational unit if the device has left",
			"%s of %d disabled: such a device cannot sign in", plural(len(found), "device"), len(d.objects)).with(found...)
	case unknown > 0:
		return notTried("userAccountControl of %s cannot be read", plural(unknown, "device"))
	}
	return pass("%s", d.some())
}

func (r *runner) devicesSystem(d *scopeData) verdict {
	if v, ok := d.seen(); !ok {
		return v
	}
	unknown := 0
	found := d.devices(func(e entry) string {
		system, version := one(e.attrs, "operatingSystem"), one(e.attrs, "operatingSystemVersion")
		if system == "" && version == "" {
			unknown++
			return ""
		}
		major, _, _ := strings.Cut(version, ".")
		n, err := strconv.Atoi(strings.TrimSpace(major))
		if !strings.HasPrefix(strings.ToLower(system), "windows") || err == nil && n < 10 {
			return strings.TrimSpace(system + " " + version)
		}
		return ""
	})
	switch {
	case len(found) > 0:
		return warn("move them out of the organisational unit: down-level Windows devices must not be synchronised", "%s of %d", plural(len(found), "device"), len(d.objects)).with(found...)
	case unknown > 0:
		return notTried("operatingSystem of %s of %d is absent or cannot be read", plural(unknown, "device"), len(d.objects))
	}
	return pass("%s", d.some())
}

func (r *runner) devicesNamed(d *scopeData) verdict {
	if v, ok := d.seen(); !ok {
		return v
	}
	found := d.devices(func(e entry) string {
		if one(e.attrs, "dNSHostName") == "" {
			return "no dNSHostName"
		}
		return ""
	})
	if len(found) > 0 {
		return warn("let the device join the domain: an account that was only created in advance has no name yet", "%s of %d", plural(len(found), "device"), len(d.objects)).with(found...)
	}
	return pass("%s", d.some())
}

// certificates counts the devices by what ldapsync.HybridJoinCertificates says.
func (r *runner) certificates(d *scopeData) verdict {
	if v, ok := d.seen(); !ok {
		return v
	}
	if d.denied["userCertificate"] != nil {
		return notTried("userCertificate cannot be read everywhere")
	}
	now := r.cfg.Now()
	counts := map[ldapsync.CertState]int{}
	found := d.devices(func(e entry) string {
		id, err := ldapsync.GUIDFromBytes([]byte(one(e.attrs, "objectGUID")))
		if err != nil {
			return err.Error()
		}
		state, _, evidence := ldapsync.HybridJoinCertificates(id, e.attrs["usercertificate"], now)
		counts[state]++
		if state == ldapsync.CertValid || state == ldapsync.CertNone {
			return ""
		}
		return evidence
	})
	var summary []string
	for _, s := range slices.Backward(slices.Sorted(maps.Keys(counts))) {
		summary = append(summary, fmt.Sprintf("%s: %d", s, counts[s]))
	}
	text := strings.Join(summary, ", ")
	switch {
	case counts[ldapsync.CertExpired]+counts[ldapsync.CertUnreadable] > 0:
		return fail(`on the device, run the task \Microsoft\Windows\Workplace Join\Automatic-Device-Join, or dsregcmd /debug /leave and then the task: it writes a new certificate`,
			"%s; a device whose certificate is out of date is not synchronised, and one that was is deleted", text).with(found...)
	case len(found) > 0:
		return warn("nothing, if the Automatic-Device-Join task has not run yet; otherwise see whether the object was copied, which changes its objectGUID",
			"%s; a certificate that does not name its device does not count", text).with(found...)
	case counts[ldapsync.CertValid] == 0:
		return warn("check that the devices get the CDJ values by policy and have signed in since: the Automatic-Device-Join task writes the certificate",
			"%s; no device has begun its hybrid join", text)
	}
	return pass("%s", text)
}
