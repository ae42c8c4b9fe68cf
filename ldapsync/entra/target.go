package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapfilter"
)

var (
	_ ldapsync.Target       = (*Target)(nil)
	_ ldapsync.TrackChecker = (*Target)(nil)
)

// Config configures New.
type Config struct {
	// Client talks to Graph. Required.
	Client *Client

	// Budget paces the writes. Give the same one to all Targets and tools of the process that use the same
	// application in the same tenant. Nil: one of its own, with DefaultLimits.
	Budget *Budget

	// Parallel, Linger and Retry are those of the Queue. Retry also says how often a write is tried whose outcome
	// is not clear; before each repetition the object is read. The zero Retry means the Client's.
	Parallel int
	Linger   time.Duration
	Retry    Retry

	// Extensions are the directory extensions that mappings name, by their friendly name or by their full one.
	// See Client.Extensions and Client.DeclareExtensions.
	Extensions []Extension

	// UserProperties and DeviceProperties are known beside those of the functions of these names, or instead of
	// those of the same name.
	UserProperties, DeviceProperties []Property

	// UserFilter and DeviceFilter narrow down what Read sees, in OData: "userType eq 'Member'". They are sent as
	// advanced queries, so that any filter works that Graph knows.
	UserFilter, DeviceFilter string

	// UserName and DeviceName are the properties that name an object for people: entries of Entra ID have no
	// distinguished name, so their DN is CN=<this>. It is also the attribute cn. "" means userPrincipalName for
	// users and displayName for devices.
	UserName, DeviceName string

	// PageSize is that of listings; 0 means 999, the most Graph gives.
	PageSize int

	// Settle is how long reads may lag behind writes: an object that was written within that time and does not show
	// it is read again. 0 means 15 s, negative not at all.
	Settle time.Duration

	// Delete allows OpDelete. Without it the Target deletes nothing, whatever the policy of a track is. A device
	// that is deleted loses its registration and has to be joined again, and its BitLocker keys go with it.
	Delete bool
}

// A Target is Entra ID (formerly Azure AD) as a target of the sync engine. Make one with New. It has no containers:
// the Placement of a track names none. It updates users and devices that are there; it creates none, since what
// creates them is Entra Connect, Cloud Sync, API-driven provisioning (package bulk) or device registration.
//
// Every write reads the object first and compares it with what the plan saw; Graph has no conditional writes of users
// and devices, so another writer can still come in between, for about the time of one request. Two writes of one
// Target to one object never overlap. What is sent is the difference alone, with explicit nulls.
type Target struct {
	cfg    Config
	client *Client
	queue  *Queue
	class  [3]*classInfo // by ldapsync.Class

	mu      sync.Mutex
	locks   map[ldapsync.GUID]*lock
	written map[ldapsync.GUID]recent
	devices map[ldapsync.GUID]struct{} // identities known to be devices
}

// classInfo is what differs between users and devices.
type classInfo struct {
	path   string // "/users"
	filter string
	name   *Property
	table  table
}

// New makes a Target. It sends nothing.
func New(cfg Config) (*Target, error) {
	if cfg.Client == nil {
		return nil, errors.New("entra: Config.Client is nil")
	}
	if cfg.Retry == (Retry{}) {
		cfg.Retry = cfg.Client.Retry
	}
	t := &Target{
		cfg: cfg, client: cfg.Client,
		queue:   &Queue{Client: cfg.Client, Budget: cfg.Budget, Parallel: cfg.Parallel, Linger: cfg.Linger, Retry: cfg.Retry},
		locks:   make(map[ldapsync.GUID]*lock),
		written: make(map[ldapsync.GUID]recent),
		devices: make(map[ldapsync.GUID]struct{}),
	}
	users, devices, err := extensionProperties(cfg.Extensions)
	if err != nil {
		return nil, err
	}
	for class, c := range map[ldapsync.Class]*classInfo{
		ldapsync.User:   {path: "/users", filter: cfg.UserFilter, table: newTable(UserProperties()).with(users).with(newTable(cfg.UserProperties))},
		ldapsync.Device: {path: "/devices", filter: cfg.DeviceFilter, table: newTable(DeviceProperties()).with(devices).with(newTable(cfg.DeviceProperties))},
	} {
		name, given := "userPrincipalName", cfg.UserName
		if class == ldapsync.Device {
			name, given = "displayName", cfg.DeviceName
		}
		if given != "" {
			name = given
		}
		if c.name = c.table.find(name); c.name == nil {
			return nil, fmt.Errorf("entra: the name of %ss, %s, is not a property that is known", class, name)
		}
		t.class[class] = c
	}
	return t, nil
}

// Queue is what the Target's requests go through, for tools that want to share its batches and its budget.
func (t *Target) Queue() *Queue { return t.queue }

func (t *Target) info(class ldapsync.Class) (*classInfo, error) {
	if class != ldapsync.User && class != ldapsync.Device {
		return nil, fmt.Errorf("entra: class %s: the target has users and devices", class)
	}
	return t.class[class], nil
}

// Info identifies the tenant: Server is its ID where the application may read the organisation
// (Organization.Read.All), else the name of the host.
func (t *Target) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	base, err := t.client.baseURL()
	if err != nil {
		return ldapsync.DirectoryInfo{}, fmt.Errorf("entra: %w", err)
	}
	info := ldapsync.DirectoryInfo{Kind: "entra", Server: base.Host}
	res, err := t.client.Get(ctx, "/organization?$select=id", nil)
	var e *Error
	switch {
	case err == nil:
		var page struct {
			Value []struct{ ID string }
		}
		if json.Unmarshal(res.Body, &page) == nil && len(page.Value) == 1 {
			if id, err := ldapsync.ParseGUID(page.Value[0].ID); err == nil {
				info.Server = base.Host + "/" + id.String()
			}
		}
	case errors.As(err, &e) && (errors.Is(err, ldapsync.ErrPermission) || errors.Is(err, ldapsync.ErrNotFound) || e.Status == 501):
		// Allowed to work without knowing its tenant by name.
	default:
		return ldapsync.DirectoryInfo{}, err
	}
	return info, nil
}

// Container returns the zero Container for the zero ContainerRef; there are no others.
func (t *Target) Container(_ context.Context, ref ldapsync.ContainerRef) (ldapsync.Container, error) {
	if ref != (ldapsync.ContainerRef{}) {
		return ldapsync.Container{}, fmt.Errorf("entra: container %s%s: Entra ID has no organisational units; leave the placement's container empty: %w", ref.DN, ref.ID, ldapsync.ErrNotFound)
	}
	return ldapsync.Container{}, nil
}

// selection is what to ask Graph for, and how to make an object of the answer.
type selection struct {
	class ldapsync.Class
	info  *classInfo
	attrs []wanted
	query string // $select
}

type wanted struct {
	name string // as asked for
	prop *Property
}

// choose looks the attributes up. Those that Entra ID does not have are an error: to call them absent would be a
// guess.
func (t *Target) choose(class ldapsync.Class, attrs []string, more ...string) (*selection, error) {
	c, err := t.info(class)
	if err != nil {
		return nil, err
	}
	s := &selection{class: class, info: c}
	members := []string{"id"}
	seen := map[string]bool{"id": true}
	member := func(p *Property) {
		n := p.Name
		if p.In != "" {
			n = p.In
		}
		if !seen[n] {
			seen[n] = true
			members = append(members, n)
		}
	}
	member(c.name)
	for _, a := range attrs {
		p := t.find(class, a)
		if p == nil {
			return nil, t.unknown(class, a)
		}
		s.attrs = append(s.attrs, wanted{a, p})
		member(p)
	}
	for _, m := range more {
		member(c.table.find(m))
	}
	s.query = "$select=" + url.QueryEscape(strings.Join(members, ","))
	return s, nil
}

// find finds the property of an attribute; nil if there is none.
func (t *Target) find(class ldapsync.Class, attr string) *Property {
	c := t.class[class]
	if p := c.table.find(attr); p != nil {
		return p
	}
	if strings.EqualFold(attr, "cn") {
		return c.name
	}
	return nil
}

func (t *Target) unknown(class ldapsync.Class, attr string) error {
	why := "it is not a property this package knows: add it to the Config's properties, or declare a directory extension"
	if m, ok := meant[strings.ToLower(attr)]; ok {
		why = m
	}
	return &ReadOnlyError{Class: class, Property: attr, Why: why}
}

// decode makes an object of its JSON.
func (s *selection) decode(raw json.RawMessage) (ldapsync.Object, map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return ldapsync.Object{}, nil, fmt.Errorf("entra: a %s is not a JSON object: %w", s.class, err)
	}
	id, err := ldapsync.ParseGUID(jsonText(m["id"]))
	if err != nil {
		return ldapsync.Object{}, nil, fmt.Errorf("entra: a %s has the id %s: %w", s.class, printable(m["id"]), err)
	}
	name := id.String()
	look := finder{m: m}
	if v, err := look.up(s.info.name); err == nil && len(v) > 0 {
		name = v[0]
	}
	attrs := make([]ldapsync.Attr, 0, len(s.attrs))
	for _, w := range s.attrs {
		v, err := look.up(w.prop)
		if err != nil {
			return ldapsync.Object{}, nil, fmt.Errorf("entra: %s %s: %s: %w", s.class, id, w.name, err)
		}
		if len(v) > 0 {
			attrs = append(attrs, ldapsync.Values(w.name, v...))
		}
	}
	return ldapsync.NewObject(id, ldapsync.DN{}.Child("CN", name), s.class, attrs...), m, nil
}

// A finder finds the values of properties in an object, and takes a complex property apart once.
type finder struct {
	m     map[string]json.RawMessage
	in    string
	inner map[string]json.RawMessage
}

func (f *finder) up(p *Property) ([]string, error) {
	if p.In == "" {
		return p.decode(f.m[p.Name])
	}
	if f.in != p.In {
		f.in, f.inner = p.In, nil
		if raw := f.m[p.In]; len(raw) > 0 {
			if err := json.Unmarshal(raw, &f.inner); err != nil {
				f.in = ""
				return nil, err
			}
		}
	}
	return p.decode(f.inner[p.Name])
}

// Get returns the named attributes of a user or device by its object id.
func (t *Target) Get(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	t.mu.Lock()
	_, device := t.devices[id]
	t.mu.Unlock()
	order := []ldapsync.Class{ldapsync.User, ldapsync.Device}
	if device {
		order = order[1:]
	}
	var first error
	for _, class := range order {
		o, _, err := t.fetch(ctx, class, id, attrs)
		if err == nil && class == ldapsync.Device && !device {
			t.knowDevice(id)
		}
		var unknown *ReadOnlyError
		if !errors.Is(err, ldapsync.ErrNotFound) && !errors.As(err, &unknown) {
			return o, err
		}
		if first == nil || errors.Is(err, ldapsync.ErrNotFound) {
			first = err
		}
	}
	return ldapsync.Object{}, first
}

func (t *Target) knowDevice(id ldapsync.GUID) {
	t.mu.Lock()
	t.devices[id] = struct{}{}
	t.mu.Unlock()
}

// matches parses a filter and says which attributes it needs.
func matches(filter string) (ldapfilter.Filter, error) {
	f, err := ldapfilter.Parse(filter)
	if err != nil {
		return f, fmt.Errorf("entra: filter: %w", err)
	}
	return f, nil
}
