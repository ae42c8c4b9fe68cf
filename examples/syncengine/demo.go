package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// The directories of the demonstration, written by demo/gen.go.
var (
	//go:embed demo/ashdown.ldif
	demoSource []byte
	//go:embed demo/provisioning.ldif
	demoTarget []byte
)

// demoTime is the day the demonstration plays on, so that its certificates are always in date and its output
// is always the same.
var demoTime = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

const (
	demoUsers   = "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"
	demoDevices = "OU=HybridComputers,DC=ashdown,DC=example"
	demoPeople  = "OU=Ashdown Vale,OU=People,DC=prov,DC=example"
	demoCopies  = "OU=Ashdown Vale,OU=Devices,DC=prov,DC=example"
)

// demonstration is two directories and an engine between them.
type demonstration struct {
	*tool
	src, dst *adtest.Server
	sync     *ldapsync.Syncer
	scenes   int
	last     *ldapsync.Plan // the last one that was applied
	lift     func()         // gives the right back
}

// scene is a step of the demonstration, as -json prints it.
type scene struct {
	Number  int            `json:"number"`
	Title   string         `json:"title"`
	Actions map[string]int `json:"actions"`
	Trips   []string       `json:"trips,omitempty"`
	Writes  int            `json:"writes"`
	Refused int            `json:"refused,omitempty"`
}

func (t *tool) demo([]string) (int, error) {
	d := &demonstration{tool: t}
	defer d.close()
	if err := d.start(); err != nil {
		return exitError, err
	}
	d.say("Two directories run in this process and answer LDAPS on loopback: the Active Directory of Ashdown Vale, a\n" +
		"trust that does not exist, and a provisioning directory. The engine reads the first with an ordinary account\n" +
		"and writes the second. Users are only updated, since another product creates them; devices are created once\n" +
		"their hybrid-join certificate is there. What leaves the OU has what the engine wrote reverted to null.\n")
	for _, s := range []struct {
		title, text string
		change      func() error
		limit       int // items shown
	}{
		{"The initial synchronisation", "Each line of a plan says what changes, by which rule, from which source value, and why. This is the first.", nil, 1},
		{"The same again", "Nothing changed, so nothing is written. What is held, waits or conflicts is reported every time.", nil, 20},
		{"A joiner", "Somebody starts: the account is moved into the synchronised OU. The cloud account exists already.", d.joiner, 1},
		{"A mover", "Ann marries and changes ward: another name, another department. She stays the same person, by her objectGUID.", d.mover, 1},
		{"A leaver", "An account is moved out of the OU. Exactly what the engine wrote is reverted; the person's own values stay.", d.leaver, 1},
		{"A device gets its certificate", "The Automatic-Device-Join task of AVPC-003 wrote its certificate, so the device is created.", d.certificate, 1},
		{"A right is lost", "The account may no longer read \"title\". Missing values are not taken for cleared ones: they are held.", d.hide, 2},
		{"An accident", "The right is back. Somebody moves forty users out of the OU. A guard blocks the plan and says how to accept it once.", d.accident, 1},
		{"Put right again", "They are moved back: as if nothing had happened.", d.mend, 1},
		{"Two people write at once", "After a plan was made, somebody edits one of its values at the target. That line is refused, the rest is done.", d.race, 2},
	} {
		if err := d.scene(s.title, s.text, s.change, s.limit); err != nil {
			return exitError, fmt.Errorf("scene %d: %w", d.scenes, err)
		}
	}
	if err := d.takeBack(); err != nil {
		return exitError, err
	}
	if err := d.cloud(); err != nil {
		return exitError, err
	}
	d.say("\nThat was all. Nothing is left behind. Next: syncengine plan -config FILE, with your own directory or an LDIF export of it.\n")
	return exitOK, nil
}

func (d *demonstration) say(format string, args ...any) {
	if !d.json {
		fmt.Fprintf(d.stdout, format, args...)
	}
}

func (d *demonstration) close() {
	for _, s := range []*adtest.Server{d.src, d.dst} {
		if s != nil {
			s.Close()
		}
	}
}

func (d *demonstration) start() (err error) {
	now := func() time.Time { return demoTime }
	if d.src, err = adtest.Start(adtest.Config{Domain: "ashdown.example", LDIF: bytes.NewReader(demoSource), Now: now}); err != nil {
		return err
	}
	if d.dst, err = adtest.Start(adtest.Config{Domain: "prov.example", LDIF: bytes.NewReader(demoTarget), Now: now}); err != nil {
		return err
	}
	dir := func(s *adtest.Server, user, password string) (*ldapdir.Dir, error) {
		return ldapdir.Open(ldapdir.Config{
			URL: s.TLSURL(), TLS: ldapdir.TLS{CAs: s.CertPool(), ServerName: s.DNSHostName()},
			Bind: ldapdir.Simple{User: user, Password: ldapdir.NewSecret(password)},
		})
	}
	source, err := dir(d.src, "reader@ashdown.example", "Passw0rd-reader")
	if err != nil {
		return err
	}
	target, err := dir(d.dst, "writer@prov.example", "Passw0rd-writer")
	if err != nil {
		return err
	}
	carriers := ldapsync.DefaultCarriers()
	d.sync = &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{
			Name: "ashdown-vale", Domain: ldapsync.Domain{FQDN: "ashdown.example", NetBIOS: "ASHDOWN"},
			Tracks: []ldapsync.Track{
				ldapsync.UsersTrack(demoUsers, demoPeople, append(ldapsync.CloudSSOUsers(carriers), ldapsync.UserProfile("title", "department")...)),
				ldapsync.DevicesTrack(demoDevices, demoCopies, ldapsync.HybridJoinDevices(carriers)),
			},
		},
		Source: source, Target: target, State: memstate.New(), Now: now,
	}
	return nil
}

// scene changes something, plans, applies, and shows all three.
func (d *demonstration) scene(title, text string, change func() error, limit int) error {
	d.scenes++
	d.say("\n%d. %s\n   %s\n\n", d.scenes, title, text)
	if change != nil {
		if err := change(); err != nil {
			return err
		}
	}
	show := d.progress(d.sync)
	p, err := d.sync.Plan(d.ctx)
	show()
	if err != nil {
		return err
	}
	if title == "Two people write at once" {
		if err := d.meddle(); err != nil {
			return err
		}
	}
	out := scene{Number: d.scenes, Title: title, Actions: make(map[string]int)}
	for a := ldapsync.ActionCreate; a <= ldapsync.ActionConflict; a++ {
		if n := p.Count(a); n > 0 {
			out.Actions[a.String()] = n
		}
	}
	for _, tr := range p.Trips {
		out.Trips = append(out.Trips, tr.Guard)
	}
	if !d.json {
		// What changes is shown; where nothing changes, what was not shown before.
		opt := ldapsync.TextOptions{Limit: limit, Show: func(it *ldapsync.Item) bool { return it.Action.Writes() }}
		switch {
		case d.scenes == 2:
			opt.Show = nil
		case p.Empty():
			opt.Show = func(it *ldapsync.Item) bool { return len(it.Notes) > 0 }
		}
		if err := p.WriteText(indent{d.stdout}, opt); err != nil {
			return err
		}
	}
	r, err := d.sync.Apply(d.ctx, p, ldapsync.ApplyOptions{})
	var blocked *ldapsync.BlockedError
	switch {
	case errors.As(err, &blocked):
		d.say("   not applied: blocked by %d guard\n", len(blocked.Trips))
	case err != nil:
		return err
	default:
		out.Writes, out.Refused = r.Writes, r.Refused
		d.last = p
		if r.Writes == 0 {
			d.say("   applied: nothing to write\n")
		} else {
			d.say("   applied: %d written, %d refused, %d failed\n", r.Writes, r.Refused, r.Failed)
		}
		for _, x := range r.Problems {
			d.say("   %s: %s: %s\n", x.Status, x.TargetDN, x.Error)
		}
	}
	if d.json {
		return d.printJSON(out)
	}
	return nil
}

// takeBack undoes the last plan and compares.
func (d *demonstration) takeBack() error {
	d.scenes++
	d.say("\n%d. Taking a plan back\n   Every attribute a plan changed returns to what it was, byte for byte.\n\n", d.scenes)
	p, err := d.sync.Undo(d.ctx, d.last.ID)
	if err != nil {
		return err
	}
	if !d.json {
		if err := p.WriteText(indent{d.stdout}, ldapsync.TextOptions{Limit: 2}); err != nil {
			return err
		}
	}
	r, err := d.sync.Apply(d.ctx, p, ldapsync.ApplyOptions{})
	if err != nil {
		return err
	}
	d.say("   applied: %d written, %d refused, %d failed\n", r.Writes, r.Refused, r.Failed)
	if d.json {
		return d.printJSON(scene{Number: d.scenes, Title: "Taking a plan back", Actions: r.Done, Writes: r.Writes, Refused: r.Refused})
	}
	return nil
}

// inOU lists the users directly in an OU of the source.
func (d *demonstration) inOU(ou string) ([]adtest.Entry, error) {
	all, err := d.src.Entries(ou)
	if err != nil {
		return nil, err
	}
	var out []adtest.Entry
	at := ldapsync.MustParseDN(ou)
	for _, e := range all {
		if dn, err := ldapsync.ParseDN(e.DN); err == nil && dn.IsChildOf(at) && e.First("sAMAccountName") != "" {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nobody is in %s", ou)
	}
	return out, nil
}

// move takes an entry to another OU under its own name.
func (d *demonstration) move(dn, ou string) error {
	typ, name := ldapsync.MustParseDN(dn).RDN()
	return d.src.Move(dn, ldapsync.MustParseDN(ou).Child(typ, name).String())
}

func (d *demonstration) joiner() error {
	starters, err := d.inOU("OU=Starters,DC=ashdown,DC=example")
	if err != nil {
		return err
	}
	return d.move(starters[0].DN, demoUsers)
}

func (d *demonstration) mover() error {
	dn := "CN=Ann Oakley 000," + demoUsers
	if err := d.src.Set(dn, "department", "Theatre"); err != nil {
		return err
	}
	return d.src.Move(dn, ldapsync.MustParseDN(demoUsers).Child("CN", "Ann Thornbury-Oakley 000").String())
}

func (d *demonstration) leaver() error {
	return d.move("CN=Bashir MacAskill 001,"+demoUsers, "OU=TANSync,DC=ashdown,DC=example")
}

func (d *demonstration) certificate() error {
	dn := "CN=AVPC-003," + demoDevices
	e, err := d.src.Get(dn)
	if err != nil {
		return err
	}
	der, err := joinCertificate(ldapsync.GUID(e.GUID), demoTime)
	if err != nil {
		return err
	}
	return d.src.Set(dn, "userCertificate", der)
}

func (d *demonstration) hide() error {
	lift, err := d.src.Deny(adtest.Denial{Account: "reader", DN: demoUsers, Subtree: true, Right: adtest.ReadProperty, Attribute: "title"})
	d.lift = lift
	return err
}

func (d *demonstration) accident() error {
	d.lift()
	users, err := d.inOU(demoUsers)
	if err != nil {
		return err
	}
	for _, e := range users[:40] {
		if err := d.move(e.DN, "OU=TANSync,DC=ashdown,DC=example"); err != nil {
			return err
		}
	}
	return nil
}

func (d *demonstration) mend() error {
	moved, err := d.inOU("OU=TANSync,DC=ashdown,DC=example")
	if err != nil {
		return err
	}
	for _, e := range moved {
		if !strings.HasPrefix(e.DN, "CN=Bashir MacAskill 001,") {
			if err := d.move(e.DN, demoUsers); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *demonstration) race() error {
	users, err := d.inOU(demoUsers)
	if err != nil {
		return err
	}
	for i, e := range users[:4] {
		if err := d.src.Set(e.DN, "department", fmt.Sprintf("Day unit %d", i+1)); err != nil {
			return err
		}
	}
	return nil
}

// meddle is the administrator who edits the target between plan and apply.
func (d *demonstration) meddle() error {
	users, err := d.inOU(demoUsers)
	if err != nil {
		return err
	}
	return d.dst.Set("CN="+users[2].First("sAMAccountName")+","+demoPeople, "department", "Edited by hand")
}

// indent moves text three columns to the right.
type indent struct {
	w interface{ Write([]byte) (int, error) }
}

func (i indent) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if _, err := fmt.Fprintf(i.w, "   %s", line); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}
