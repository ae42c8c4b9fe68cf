package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/remedy"
)

// A step is what somebody does, as -json prints it.
type step struct {
	Number   int      `json:"number"`
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Where    string   `json:"where"`
	Commands []string `json:"commands"`
	Why      string   `json:"why"`
	Verify   []string `json:"verify"`
	Source   string   `json:"source"`
}

// revert is what the engine does by itself once an object is out of scope.
type revert struct {
	Object string   `json:"object"`
	Action string   `json:"action"`
	Attrs  []string `json:"attributes"` // that become null at the target
	Reason string   `json:"reason"`
}

// A departure is the whole plan.
type departure struct {
	Organisation string   `json:"organisation"`
	Steps        []step   `json:"steps"`
	Reverts      []revert `json:"reverts,omitempty"`
	Notes        []string `json:"notes"`
}

const (
	onAdmin  = "a computer with the Active Directory module"
	onDevice = "each device, in an elevated prompt"
)

// quote is a PowerShell string.
func quote(s string) string {
	// PowerShell takes typographic quotes for straight ones.
	r := strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛")
	return "'" + r.Replace(s) + "'"
}

func (o *objects) moves(command string) []string {
	if len(o.Objects) == 0 {
		return []string{fmt.Sprintf("%s -SearchBase %s -SearchScope OneLevel -Filter * | Move-ADObject -TargetPath %s", command, quote(o.OU), quote(o.MoveTo))}
	}
	var out []string
	for _, dn := range o.Objects {
		out = append(out, fmt.Sprintf("Move-ADObject -Identity %s -TargetPath %s", quote(dn), quote(o.MoveTo)))
	}
	return out
}

// steps orders what the operations guide's section on off-boarding asks for: people first, then devices, and what they
// stood on last.
func (q *request) steps() (*departure, error) {
	d := &departure{Organisation: q.Organisation, Notes: []string{}}
	add := func(s step) {
		s.Number = len(d.Steps) + 1
		if s.Verify == nil {
			s.Verify = []string{}
		}
		if s.Commands == nil {
			s.Commands = []string{}
		}
		d.Steps = append(d.Steps, s)
	}
	if !q.Users.none() {
		add(step{ID: "move-users", Title: "Move the users out of the synchronised OU", Where: onAdmin, Commands: q.Users.moves("Get-ADUser"),
			Why:    "What leaves the OU has exactly the attributes reverted to null that the engine wrote. The accounts stay.",
			Verify: q.Users.left("Get-ADUser"), Source: "operations guide, 7.10, 9.2"})
	}
	if !q.Devices.none() {
		q.devices(add, d)
	}
	add(step{ID: "run-engine", Title: "Let the engine run once, and read its plan first", Where: "the server of the engine",
		Commands: []string{"syncengine plan -config CONFIG -out leave.plan", "offboard plan -engine leave.plan REQUEST.json", "syncengine apply -config CONFIG -plan leave.plan"},
		Why:      "Many objects that leave at once look like an accident: a guard blocks the plan and prints what accepts it, for this plan only.",
		Verify:   []string{"syncengine plan -config CONFIG shows nothing left to write for them."}, Source: "operations guide, 9.2, 9.3"})
	if err := q.registry(add); err != nil {
		return nil, err
	}
	q.delegations(add, d)
	if q.Everything {
		q.everything(add)
	}
	return d, nil
}

func (o *objects) left(command string) []string {
	if len(o.Objects) == 0 {
		return []string{fmt.Sprintf("(%s -SearchBase %s -SearchScope OneLevel -Filter *) | Measure-Object   # 0", command, quote(o.OU))}
	}
	return []string{fmt.Sprintf("%s -SearchBase %s -SearchScope OneLevel -Filter *   # without them", command, quote(o.OU))}
}

const taskName = `\Microsoft\Windows\Workplace Join\Automatic-Device-Join`

func (q *request) devices(add func(step), d *departure) {
	add(step{ID: "capture-before", Title: "Keep what the devices say before", Where: onDevice, Commands: []string{"dsregcmd.exe /status > before.txt"},
		Why: "The comparison at the end needs it.", Source: "operations guide, 9.3, 10"})
	add(step{ID: "move-devices", Title: "Move the devices out of the synchronised OU", Where: onAdmin, Commands: q.Devices.moves("Get-ADComputer"),
		Why:    "Their synchronisation ends. That does not take the join away from the devices themselves.",
		Verify: q.Devices.left("Get-ADComputer"), Source: "operations guide, 9.3"})
	stop := step{ID: "stop-registration", Title: "Keep the devices from joining again", Where: onDevice,
		Commands: []string{fmt.Sprintf(`schtasks.exe /Change /TN "%s" /DISABLE`, taskName)},
		Why:      "The task runs every hour and at each sign-in; as long as it finds the tenant it joins the device again.",
		Verify:   []string{fmt.Sprintf(`schtasks.exe /Query /TN "%s"   # Disabled`, taskName)}, Source: "operations guide, 9.3"}
	if q.Policy != "" && q.Everything {
		add(step{ID: "unlink-policy", Title: "Take the policy that enables registration off the OU", Where: onAdmin,
			Commands: []string{fmt.Sprintf("Remove-GPLink -Name %s -Target %s", quote(q.Policy), quote(q.Devices.OU))},
			Why:      "Nothing shall enable it again.",
			Verify:   []string{"gpresult.exe /r /scope computer   # on a device, after gpupdate /force: the policy is not applied"}, Source: "operations guide, 9.3"})
	} else if q.Policy != "" {
		d.Notes = append(d.Notes, fmt.Sprintf("The link of %q to %s stays: devices that remain need it. A device that was moved out no longer gets it.", q.Policy, q.Devices.OU))
	}
	add(stop)
	add(step{ID: "leave", Title: "Take the devices out of Microsoft Entra ID", Where: onDevice, Commands: []string{"dsregcmd.exe /debug /leave"},
		Why: "Only the device itself can end its join; its user loses the primary refresh token with it.", Source: "operations guide, 9.3"})
	add(step{ID: "verify-leave", Title: "See that they have left", Where: onDevice,
		Commands: []string{"dsregcmd.exe /status > after.txt", "offboard verify before.txt after.txt"},
		Why:      "The device must be joined to the on-premises Active Directory only.", Verify: []string{"offboard verify ends with status 0."}, Source: "operations guide, 9.3, 10"})
}

// registry removes the values that would let a device find the tenant again.
func (q *request) registry(add func(step)) error {
	if q.Devices.none() {
		return nil
	}
	schema := registry.CDJ(registry.CDJParams{TenantID: q.Tenant.ID, TenantName: q.Tenant.Name})
	var b bytes.Buffer
	if err := remedy.RegAdd(&b, slices.Values(schema.Remove()), false); err != nil {
		return err
	}
	s := step{ID: "remove-cdj", Title: "Remove the client-side service connection point", Where: onDevice,
		Why:    "These values stay behind when their policy goes, since they do not lie in a policy key. " + schema.AfterRemoval,
		Verify: []string{"regcheck dump on an export of the key shows neither value."}, Source: "operations guide, 9; Microsoft, \"Targeted deployment of hybrid join\""}
	for line := range strings.Lines(b.String()) {
		if line = strings.TrimSpace(line); line != "" {
			s.Commands = append(s.Commands, line)
		}
	}
	add(s)
	return nil
}

// delegations are removed only when nobody is left whom the account must read.
func (q *request) delegations(add func(step), d *departure) {
	if !q.Everything {
		d.Notes = append(d.Notes, "Delegations, trust and VPN stay: others of the organisation remain in the service.")
		return
	}
	s := step{ID: "remove-delegation", Title: "Remove the account's rights on the OUs", Where: "a domain controller, in PowerShell", Source: "operations guide, 9",
		Why: "The account that synchronised shall not read the organisation's directory any longer."}
	account := q.Account
	if account == "" {
		account = "ACCOUNT"
		d.Notes = append(d.Notes, "The request names no account: put the account that synchronises in the place of ACCOUNT.")
	}
	for _, o := range []*objects{&q.Users, &q.Devices} {
		if !o.none() {
			s.Commands = append(s.Commands, fmt.Sprintf("dsacls.exe %s /R %s", quote(o.OU), quote(account)))
			s.Verify = append(s.Verify, fmt.Sprintf("dsacls.exe %s   # without %s", quote(o.OU), account))
		}
	}
	add(s)
}

func (q *request) everything(add func(step)) {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	domain, partner := or(q.Domain, "OWN-DOMAIN"), or(q.Partner, "PARTNER-DOMAIN")
	add(step{ID: "remove-trust", Title: "Remove the trust, on both sides", Where: "a domain controller of each side",
		Commands: []string{fmt.Sprintf("netdom.exe trust %s /domain:%s /remove", domain, partner)},
		Why:      "A trust that only one side has removed stays in the other directory and fails there.",
		Verify:   []string{fmt.Sprintf("Get-ADTrust -Filter \"Target -eq %s\"   # nothing, on either side", quote(partner))}, Source: "operations guide, 7.6, 9"})
	add(step{ID: "remove-vpn", Title: "Remove the VPN" + suffix(q.VPN), Where: "the gateway, and the service's side", Why: "Nothing needs the connection any more: remove it with its routes and the pre-shared key.", Source: "operations guide, 7.4, 9"})
	add(step{ID: "remove-edge-dc", Title: "Demote and remove the edge domain controller" + suffix(q.EdgeDC), Where: "the edge domain controller",
		Commands: []string{"Uninstall-ADDSDomainController -DemoteOperationMasterRole:$false"}, Why: "It served nobody else. The command refuses while it holds an operations master role, which is then to be moved first.",
		Verify: []string{"netdom.exe query dc   # without it", "netdom.exe query fsmo"}, Source: "operations guide, 7.5, 9"})
	add(step{ID: "check-provisioning", Title: "Check the provisioning product and Same Sign-On", Where: "their own consoles",
		Why: "Accounts in the cloud come from there and not from this engine: they stay, with their passwords, until that product removes them.", Source: "operations guide, 5.2.2, 9"})
}

func suffix(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// reverts reads the engine's plan: what it will take back when it is applied.
func (d *departure) reverts(p *ldapsync.Plan) {
	for i := range p.Items {
		it := &p.Items[i]
		switch it.Action {
		case ldapsync.ActionRevert, ldapsync.ActionStop, ldapsync.ActionDelete:
		default:
			continue
		}
		r := revert{Object: it.SourceDN.String(), Action: it.Action.String(), Attrs: []string{}, Reason: it.Reason}
		for _, e := range it.Edits {
			r.Attrs = append(r.Attrs, e.Attr)
		}
		d.Reverts = append(d.Reverts, r)
	}
	for _, t := range p.Trips {
		d.Notes = append(d.Notes, "The plan is blocked until accepted: "+t.Accept)
	}
	if len(d.Reverts) == 0 {
		d.Notes = append(d.Notes, "The engine's plan takes nothing back: were the objects moved before it was made?")
	}
}
