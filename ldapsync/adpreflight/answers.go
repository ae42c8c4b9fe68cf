package adpreflight

import "strings"

// Answers are what only people know: the declaration questions for onboarding (operations guide 5.2.2) and the VPN
// definition. What is empty or nil was not answered.
type Answers struct {
	Intune       *bool  `json:"intune,omitempty"`       // is the organisation onboarded to Intune?
	Provisioning string `json:"provisioning,omitempty"` // who creates its people in the tenant: "TANSync", "BDS", "MIM" or "none"
	SameSignOn   *bool  `json:"sameSignOn,omitempty"`   // are passwords synchronised (Same Sign-On)?
	DedicatedDC  *bool  `json:"dedicatedDC,omitempty"`  // is there a domain controller for this alone?
	Track        string `json:"track,omitempty"`        // "hybrid" or "cloud-sso"
	VPN          VPN    `json:"vpn,omitzero"`
}

const sourceDeclaration = "operations guide 5.2.2"

func declarationSpecs() []spec {
	yes := func(id, title, remedy string, answer func(Answers) *bool) spec {
		return spec{"declared." + id, title, sourceDeclaration, false, func(r *runner) verdict {
			v := answer(r.cfg.Answers)
			switch {
			case v == nil:
				return notTried("the question was not answered")
			case !*v:
				return fail(remedy, "answered: no")
			}
			return pass("answered: yes")
		}}
	}
	return []spec{
		{"declared.track", "a track is chosen", "operations guide 5.1, 5.2.2", false, (*runner).track},
		yes("intune", "the organisation is onboarded to Intune", "onboard to Intune first", func(a Answers) *bool { return a.Intune }),
		{"declared.provisioning", "people are provisioned to the tenant by another product", sourceDeclaration, false, (*runner).provisioning},
		yes("same-sign-on", "passwords are synchronised (Same Sign-On)", "configure Same Sign-On: this synchronisation does not carry passwords", func(a Answers) *bool { return a.SameSignOn }),
		yes("dedicated-dc", "a domain controller is dedicated to the service", "promote a domain controller in an isolated VLAN", func(a Answers) *bool { return a.DedicatedDC }),
	}
}

func (r *runner) track() verdict {
	switch t := strings.ToLower(r.cfg.Answers.Track); t {
	case "":
		return notTried("the question was not answered")
	case "hybrid", "cloud-sso":
		return pass("answered: %s", t)
	default:
		return fail(`answer "hybrid" or "cloud-sso"`, "answered: %.60q", r.cfg.Answers.Track)
	}
}

func (r *runner) provisioning() verdict {
	switch p := r.cfg.Answers.Provisioning; strings.ToLower(p) {
	case "":
		return notTried("the question was not answered")
	case "tansync", "bds", "mim":
		return pass("answered: %s", p)
	case "none", "no":
		return fail("deploy TANSync, BDS or MIM first: without it nothing is synchronised to Microsoft Entra ID", "answered: none")
	default:
		return warn("confirm with the service that it provisions people for the national tenant", "answered: %.60q, which the guide does not name", p)
	}
}
