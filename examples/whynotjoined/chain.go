package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cmlog"
	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/ldapfilter"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
	"go.internal/hybridkit/scepclient/intune"
)

// The join of a device that is already in Active Directory takes one to three hours after it was placed in the OU
// (operations guide, 7.9).
const (
	patienceLeast = time.Hour
	patienceMost  = 3 * time.Hour
)

// A state is what is known of one link.
type state string

const (
	done    state = "done"
	stopped state = "stopped" // it does not hold: the chain ends here
	waiting state = "waiting" // it does not hold yet, and that is still in order
	passed  state = "passed"  // it does not hold any more, and the device is registered all the same
	follows state = "follows" // it does not hold because an earlier one does not
	unseen  state = "unseen"  // nothing that was given says so
)

// A link is one step of the hybrid join, as -json prints it.
type link struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	State    state    `json:"state"`
	Fault    string   `json:"fault,omitempty"` // what is wrong with it
	Evidence []string `json:"evidence"`
	Why      string   `json:"why,omitempty"`
	Remedy   string   `json:"remedy,omitempty"`
	Source   string   `json:"source"`
}

func (l link) is(s state, format string, args ...any) link {
	l.State = s
	l.Evidence = append(l.Evidence, fmt.Sprintf(format, args...))
	return l
}

func (l link) stop(fault, why, remedy string) link {
	l.State, l.Fault, l.Why, l.Remedy = stopped, fault, why, remedy
	return l
}

func (l link) wait(fault, why, remedy string) link {
	l = l.stop(fault, why, remedy)
	l.State = waiting
	return l
}

func (l link) saw(format string, args ...any) link {
	l.Evidence = append(l.Evidence, fmt.Sprintf(format, args...))
	return l
}

// evidence is everything that was given about the device. Nil and zero members were not.
type evidence struct {
	at     time.Time // when the evidence was collected
	since  time.Time // when the device was placed in the OU
	tenant registry.CDJParams

	ad       *ldapsync.Object // the computer in the organisation's directory
	adGiven  bool
	ou       ldapsync.DN
	ouObject *ldapsync.Object
	scp      []scp
	account  adsec.Token // the SIDs of the account that synchronises
	filter   *ldapfilter.Filter

	copy      *ldapsync.Object // in the provisioning forest
	copyGiven bool

	registry *registry.Snapshot
	policy   *gpo.Result

	entra      []entraDevice // those with the identity of the device
	entraGiven bool

	capture   *dsreg.Status
	diagnosis *dsreg.Diagnosis

	flags   *comgmt.Flags
	handler *cmlog.State
	profile *intune.Profile
}

// A report is what -json prints.
type report struct {
	Device   string    `json:"device"`
	Joined   bool      `json:"joined"`
	Verdict  string    `json:"verdict"`
	Cause    *link     `json:"cause"` // the first link that does not hold; null if all that were seen do
	Next     *next     `json:"next"`  // what is expected next; null if nothing is
	Links    []link    `json:"links"`
	Timeline []moment  `json:"timeline"`
	Unseen   []missing `json:"unseen"`
}

// next is what happens without anybody doing anything.
type next struct {
	What     string    `json:"what"`
	Earliest time.Time `json:"earliest,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
}

// A moment is a dated fact.
type moment struct {
	Time time.Time `json:"time"`
	What string    `json:"what"`
}

// missing is a link that nothing was said of, and what would.
type missing struct {
	Link string `json:"link"`
	Give string `json:"give"`
}

// A step is a link before it is looked at.
type step struct {
	id, title, give, source string
	look                    func(*evidence, link) link
}

// chain is the order in which a hybrid join in a managed domain happens: the object must be where it is
// read, the device must know its tenant, its certificate must be there and may be read, the copies must arrive, and
// then the device registers and the user gets a token (Microsoft, "How it works: Device registration").
var chain = [...]step{
	{"ou", "In the synchronised OU", "-ad and -ou", "operations guide, 7.7, 7.9", lookOU},
	{"child-ou", "Directly in it", "-ad and -ou", "operations guide, 7.9, 7.10", lookChildOU},
	{"enabled", "The computer account is enabled", "-ad", "Microsoft, userAccountControl", lookEnabled},
	{"os", "Windows 10, Windows Server 2016 or later", "-ad", "Microsoft, \"Microsoft Entra Connect: device disappearance\"", lookOS},
	{"tenant", "The device knows its tenant", "-registry, or -sysvol and -links, or -dsreg", "operations guide, 7.9; Microsoft, \"Targeted deployment of hybrid join\"", lookTenant},
	{"scp", "Nothing in the directory names another tenant", "-ad with the configuration partition", "Microsoft, \"Configure a service connection point\"", lookSCP},
	{"discovery", "The device reaches the registration service", "-dsreg", "Microsoft, \"Troubleshoot hybrid joined devices\"", lookDiscovery},
	{"certificate", "The device wrote its certificate", "-ad", "Microsoft, \"Microsoft Entra Connect: device disappearance\"", lookCertificate},
	{"delegation", "The synchronising account may read it", "-ad with nTSecurityDescriptor, and -account", "operations guide, 7.7 table 5; [MS-ADTS] 5.1.3", lookDelegation},
	{"filter", "No filter leaves it out", "-ad and -filter", "RFC 4515", lookFilter},
	{"copy", "Synchronised to the provisioning forest", "-copy", "operations guide, 5.2.1", lookCopy},
	{"entra", "A device object is in Microsoft Entra ID", "-entra", "Microsoft, \"How it works: Device registration\"", lookEntra},
	{"device", "The device object is enabled", "-entra or -dsreg", "Microsoft, \"Troubleshoot devices with dsregcmd\"", lookDevice},
	{"registration", "The device has registered", "-dsreg or -entra", "Microsoft, \"Troubleshoot hybrid joined devices\"", lookRegistration},
	{"prt", "The user has a primary refresh token", "-dsreg", "Microsoft, \"Troubleshoot primary refresh token issues\"", lookPRT},
}

// after are steps that need the join, and are no cause of its absence.
var after = [...]step{
	{"enrolment", "Enrolled in Intune by co-management", "-flags or -log", "Microsoft, \"Troubleshoot co-management bootstrap\"", lookEnrolment},
	{"scep", "The certificate of its SCEP profile", "-scep-profile", "Microsoft, \"Create and assign SCEP certificate profiles in Intune\"", lookSCEP},
}

// explain looks at every link and names the first that does not hold.
func explain(name string, e *evidence) *report {
	r := &report{Device: name, Unseen: []missing{}}
	registered := false
	for _, s := range chain {
		l := s.look(e, link{ID: s.id, Title: s.title, State: unseen, Source: s.source, Evidence: []string{}})
		if l.State == unseen {
			r.Unseen = append(r.Unseen, missing{s.id, s.give})
		}
		if s.id == "registration" && l.State == done {
			registered = true
		}
		r.Links = append(r.Links, l)
	}
	for i := range r.Links {
		l := &r.Links[i]
		if l.State != stopped && l.State != waiting {
			continue
		}
		switch {
		case registered && l.ID != "prt":
			l.State = passed
		case r.Cause == nil:
			c := *l
			r.Cause = &c
		default:
			l.State = follows
		}
	}
	r.Joined = registered && r.Cause == nil
	for _, s := range after {
		l := s.look(e, link{ID: s.id, Title: s.title, State: unseen, Source: s.source, Evidence: []string{}})
		if l.State == unseen {
			r.Unseen = append(r.Unseen, missing{s.id, s.give})
		}
		if r.Cause != nil && (l.State == stopped || l.State == waiting) {
			l.State = follows
		}
		r.Links = append(r.Links, l)
	}
	r.Next = expect(e, r)
	r.Timeline = timeline(e)
	r.Verdict = verdict(r)
	return r
}

func verdict(r *report) string {
	switch c := r.Cause; {
	case r.Joined:
		return "The device is hybrid joined and its user has what follows from that."
	case c == nil:
		return "Nothing that was seen is wrong, and nothing that was seen says that the device is joined."
	case c.State == waiting:
		return fmt.Sprintf("Nothing is wrong yet. The device waits at %q (%s).", c.Title, c.Fault)
	default:
		return fmt.Sprintf("The join stopped at %q: %s.", c.Title, c.Fault)
	}
}

// expect says what comes next by itself.
func expect(e *evidence, r *report) *next {
	if r.Cause == nil || r.Cause.State != waiting {
		return nil
	}
	from := e.started()
	n := &next{What: map[string]string{
		"certificate":  "the hourly Automatic-Device-Join task writes the certificate into userCertificate",
		"copy":         "the next cycle of the engine makes the copy",
		"entra":        "the next cycle of Microsoft's synchronisation makes the device object",
		"registration": "the hourly Automatic-Device-Join task registers the device",
		"prt":          "the user's next sign-in with a connection to Microsoft Entra ID gets the token",
	}[r.Cause.ID]}
	if r.Cause.ID != "prt" && !from.IsZero() {
		n.Earliest, n.Latest = from.Add(patienceLeast), from.Add(patienceMost)
	}
	return n
}

// started is the moment from which the one to three hours count: when the device was placed in the OU, or when it wrote
// its certificate, whichever is later.
func (e *evidence) started() time.Time {
	from := e.since
	if e.ad != nil {
		if _, valid, _ := ldapsync.HybridJoinCertificates(e.ad.ID, e.ad.All("userCertificate"), e.at); len(valid) > 0 {
			if nb := notBefore(valid[0]); nb.After(from) {
				from = nb
			}
		}
	}
	return from
}

// overdue reports that the device has had more than the three hours.
func (e *evidence) overdue() bool {
	from := e.started()
	return !from.IsZero() && !e.at.IsZero() && e.at.Sub(from) > patienceMost
}

// timeline collects what has a date.
func timeline(e *evidence) []moment {
	out := []moment{}
	add := func(t time.Time, format string, args ...any) {
		if !t.IsZero() {
			out = append(out, moment{t.UTC(), fmt.Sprintf(format, args...)})
		}
	}
	object := func(o *ldapsync.Object, where string) {
		if o == nil {
			return
		}
		for attr, what := range map[string]string{"whenCreated": "created", "whenChanged": "last changed"} {
			if v, ok := o.Get(attr); ok {
				if t, err := ldapsync.ParseGeneralizedTime(v); err == nil {
					add(t, "the object in the %s was %s", where, what)
				}
			}
		}
	}
	object(e.ad, "organisation's directory")
	object(e.copy, "provisioning forest")
	if e.ad != nil {
		_, valid, _ := ldapsync.HybridJoinCertificates(e.ad.ID, e.ad.All("userCertificate"), e.at)
		for _, v := range valid {
			add(notBefore(v), "the device made its certificate")
		}
	}
	add(e.since, "the device was placed in the OU")
	for _, d := range e.entra {
		add(d.Created, "the device object in Microsoft Entra ID was created")
		add(d.Registered, "the device registered")
		add(d.SignIn, "about this time the device last signed in")
		add(d.Deleted, "the device object in Microsoft Entra ID was deleted")
	}
	if c := e.capture; c != nil {
		add(c.Details.DeviceCertificateValidity.Start, "the certificate of the registration begins")
		add(c.SSO.AzureAdPrtUpdateTime.Time, "the primary refresh token was last renewed")
		add(c.Diagnostics.Pre.ClientTime.Time, "dsregcmd ran")
	}
	if e.handler != nil {
		add(e.handler.Last, "the last entry of CoManagementHandler.log")
	}
	add(e.at, "the evidence was collected")
	slices.SortStableFunc(out, func(a, b moment) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.What, b.What))
	})
	return out
}
