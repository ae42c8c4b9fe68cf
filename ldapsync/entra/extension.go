package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// An Extension is a directory extension: a property that an application adds to users or devices (Microsoft,
// "Add custom data to resources by using extensions", directory extensions). In Graph it is called
// extension_<appId without hyphens>_<name>; mappings may use the friendly Name alone.
type Extension struct {
	Name  string // friendly: letters, digits, _
	AppID string // appId (client ID) of the application that owns it
	Kind  Kind
	Multi bool // a collection

	Users, Devices bool // what it may be set on

	// Synced: Entra Connect or Cloud Sync fills it from Active Directory ("Tenant Schema Extension App"), so that
	// it is read-only for synchronised objects.
	Synced bool
}

var extensionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

// FullName is the name of the property in Graph.
func (x Extension) FullName() string {
	return "extension_" + strings.ReplaceAll(strings.ToLower(x.AppID), "-", "") + "_" + x.Name
}

func (x Extension) check() error {
	if !extensionName.MatchString(x.Name) {
		return fmt.Errorf("entra: directory extension %q: a name is letters, digits and _, and begins with a letter", x.Name)
	}
	if _, err := ldapsync.ParseGUID(x.AppID); err != nil {
		return fmt.Errorf("entra: directory extension %s: the appId %q is not a GUID", x.Name, x.AppID)
	}
	if !x.Users && !x.Devices {
		return fmt.Errorf("entra: directory extension %s: it is for neither users nor devices", x.Name)
	}
	return nil
}

// property is the extension as a property. Values are at most 256 characters or bytes (Microsoft,
// "extensionProperty resource type").
func (x Extension) property() Property {
	p := Property{Name: x.FullName(), Kind: x.Kind, Multi: x.Multi, Mastered: x.Synced}
	if x.Kind == Text || x.Kind == Binary {
		p.Max = 256
	}
	return p
}

// extensionProperties makes the properties of extensions under both of their names. Two extensions of the same
// friendly name on the same class are an error.
func extensionProperties(list []Extension) (users, devices table, err error) {
	users, devices = table{}, table{}
	builtin := map[bool]table{false: newTable(UserProperties()), true: newTable(DeviceProperties())}
	for _, x := range list {
		if err := x.check(); err != nil {
			return nil, nil, err
		}
		p := x.property()
		for device, t := range map[bool]table{false: users, true: devices} {
			if device && !x.Devices || !device && !x.Users {
				continue
			}
			short := strings.ToLower(x.Name)
			if old := t[short]; old != nil && old.Name != p.Name {
				return nil, nil, fmt.Errorf("entra: the name %s stands for two directory extensions, %s and %s: use their full names as Name", x.Name, old.Name, p.Name)
			}
			if builtin[device].find(short) != nil {
				return nil, nil, fmt.Errorf("entra: directory extension %s has the name of a property of Graph's own", x.Name)
			}
			t[short], t[strings.ToLower(p.Name)] = &p, &p
		}
	}
	return users, devices, nil
}

// extensionWire is an extensionProperty in Graph.
type extensionWire struct {
	ID             string   `json:"id,omitempty"`
	Name           string   `json:"name"`
	DataType       string   `json:"dataType"`
	IsMultiValued  bool     `json:"isMultiValued"`
	TargetObjects  []string `json:"targetObjects"`
	AppDisplayName string   `json:"appDisplayName,omitempty"`
	Synced         *bool    `json:"isSyncedFromOnPremises,omitempty"`
}

var dataTypes = map[Kind]string{Text: "String", Boolean: "Boolean", Integer: "Integer", Instant: "DateTime", Binary: "Binary"}

func (x Extension) wire() extensionWire {
	w := extensionWire{Name: x.Name, DataType: dataTypes[x.Kind], IsMultiValued: x.Multi}
	if x.Users {
		w.TargetObjects = append(w.TargetObjects, "User")
	}
	if x.Devices {
		w.TargetObjects = append(w.TargetObjects, "Device")
	}
	return w
}

// extension reads the name and type that Graph gives; ok is false for those of other kinds of object.
func (w *extensionWire) extension() (x Extension, ok bool, err error) {
	rest, found := strings.CutPrefix(w.Name, "extension_")
	app, name, found2 := strings.Cut(rest, "_")
	if !found || !found2 || len(app) != 32 {
		return x, false, fmt.Errorf("entra: %q is not the name of a directory extension", w.Name)
	}
	x = Extension{Name: name, AppID: app[:8] + "-" + app[8:12] + "-" + app[12:16] + "-" + app[16:20] + "-" + app[20:], Multi: w.IsMultiValued}
	if _, err := ldapsync.ParseGUID(x.AppID); err != nil {
		return x, false, fmt.Errorf("entra: %q is not the name of a directory extension", w.Name)
	}
	known := false
	for k, n := range dataTypes {
		if strings.EqualFold(n, w.DataType) || n == "Integer" && strings.EqualFold(w.DataType, "LargeInteger") {
			x.Kind, known = k, true
		}
	}
	if !known {
		return x, false, nil
	}
	x.Users = slices.ContainsFunc(w.TargetObjects, func(s string) bool { return strings.EqualFold(s, "User") })
	x.Devices = slices.ContainsFunc(w.TargetObjects, func(s string) bool { return strings.EqualFold(s, "Device") })
	x.Synced = w.Synced != nil && *w.Synced
	return x, x.Users || x.Devices, nil
}

// application finds an application by its appId.
func (c *Client) application(ctx context.Context, appID string) (objectID string, err error) {
	if _, err := ldapsync.ParseGUID(appID); err != nil {
		return "", fmt.Errorf("entra: the appId %q is not a GUID", appID)
	}
	for raw, err := range c.Pages(ctx, "/applications"+Query("$filter", "appId eq "+Quote(appID), "$select", "id,appId"), nil) {
		if err != nil {
			return "", err
		}
		var a struct{ ID, AppID string }
		if err := json.Unmarshal(raw, &a); err != nil {
			return "", fmt.Errorf("entra: application %s: %w", appID, err)
		}
		if strings.EqualFold(a.AppID, appID) {
			return a.ID, nil
		}
	}
	return "", fmt.Errorf("entra: there is no application with the appId %s in this tenant: %w", appID, ldapsync.ErrNotFound)
}

// Extensions reads the directory extensions for users and devices that an application has declared
// (Application.Read.All).
func (c *Client) Extensions(ctx context.Context, appID string) ([]Extension, error) {
	id, err := c.application(ctx, appID)
	if err != nil {
		return nil, err
	}
	var out []Extension
	for raw, err := range c.Pages(ctx, "/applications/"+Segment(id)+"/extensionProperties", nil) {
		if err != nil {
			return nil, err
		}
		var w extensionWire
		if err := json.Unmarshal(raw, &w); err != nil {
			return nil, fmt.Errorf("entra: an extension of application %s: %w", appID, err)
		}
		x, ok, err := w.extension()
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Extension) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// An ExtensionFinding is a directory extension that is not as it should be.
type ExtensionFinding struct {
	Want   Extension
	Have   *Extension // nil: not declared
	Reason string
}

// CheckExtensions compares the extensions that mappings rely on with what their applications have declared. None of
// it can be changed once declared, so a difference in type is for people.
func (c *Client) CheckExtensions(ctx context.Context, want []Extension) ([]ExtensionFinding, error) {
	have := make(map[string][]Extension)
	var out []ExtensionFinding
	for _, w := range want {
		if err := w.check(); err != nil {
			return nil, err
		}
		app := strings.ToLower(w.AppID)
		if _, ok := have[app]; !ok {
			list, err := c.Extensions(ctx, w.AppID)
			if err != nil {
				return nil, err
			}
			have[app] = list
		}
		i := slices.IndexFunc(have[app], func(x Extension) bool { return strings.EqualFold(x.Name, w.Name) })
		if i < 0 {
			out = append(out, ExtensionFinding{Want: w, Reason: "not declared"})
			continue
		}
		h := have[app][i]
		var why []string
		if h.Name != w.Name {
			why = append(why, "it is spelled "+h.Name)
		}
		if h.Kind != w.Kind {
			why = append(why, fmt.Sprintf("it holds %s, not %s", h.Kind, w.Kind))
		}
		if h.Multi != w.Multi {
			why = append(why, fmt.Sprintf("its being multi-valued is %t, not %t", h.Multi, w.Multi))
		}
		if w.Users && !h.Users || w.Devices && !h.Devices {
			why = append(why, "it is not declared for all the objects that are wanted")
		}
		if len(why) > 0 {
			out = append(out, ExtensionFinding{Want: w, Have: &h, Reason: strings.Join(why, "; ")})
		}
	}
	return out, nil
}

// DeclareExtensions declares those of the extensions that are not there yet, on applications of this tenant
// (Application.ReadWrite.All), and returns them. One that is there with another type is an error, and then nothing is
// declared. Writes take from the budget, which may be nil.
func (c *Client) DeclareExtensions(ctx context.Context, budget *Budget, want []Extension) ([]Extension, error) {
	findings, err := c.CheckExtensions(ctx, want)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, f := range findings {
		if f.Have != nil {
			errs = append(errs, fmt.Errorf("entra: directory extension %s: %s; what is declared cannot be changed, choose another name", f.Want.Name, f.Reason))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var done []Extension
	for _, f := range findings {
		id, err := c.application(ctx, f.Want.AppID)
		if err != nil {
			return done, err
		}
		body, err := json.Marshal(f.Want.wire())
		if err != nil {
			return done, err
		}
		r := Request{Method: http.MethodPost, Path: "/applications/" + Segment(id) + "/extensionProperties", Body: body}
		if _, err := c.write(ctx, budget, r); err != nil {
			// Whether it was made can be seen: a second one of the same name would be refused anyway.
			if left, cerr := c.CheckExtensions(ctx, []Extension{f.Want}); !unclearErr(err) || cerr != nil || len(left) > 0 {
				return done, err
			}
		}
		done = append(done, f.Want)
	}
	return done, nil
}

// write sends a single write, again where it was certainly not carried out.
func (c *Client) write(ctx context.Context, budget *Budget, r Request) (Response, error) {
	for try := 1; ; try++ {
		if budget != nil {
			if err := budget.Take(ctx, 1); err != nil {
				return Response{}, err
			}
		}
		res, err := c.Do(ctx, r)
		if err == nil || !transient(err) {
			return res, err
		}
		wait, again := c.Retry.Again(try, err)
		if !again {
			return res, err
		}
		if !sleep(ctx, wait) {
			return res, errors.Join(ctx.Err(), err)
		}
	}
}
