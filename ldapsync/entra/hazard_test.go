package entra_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
	"go.internal/hybridkit/ldapsync/hazardtest"
	"go.internal/hybridkit/ldapsync/memdir"
)

// sourceWorld is the back door of memdir as a targettest.World.
type sourceWorld struct{ *memdir.Dir }

func (w sourceWorld) AddOU(_ context.Context, parent ldapsync.DN, name string) (ldapsync.Container, error) {
	return w.Dir.AddOU(parent.Child("OU", name).String())
}
func (w sourceWorld) Add(_ context.Context, o ldapsync.Object) (ldapsync.GUID, error) {
	return w.Dir.Add(o)
}
func (w sourceWorld) Set(_ context.Context, id ldapsync.GUID, attr string, values ...string) error {
	return w.Dir.Set(id, attr, values...)
}
func (w sourceWorld) Move(_ context.Context, id ldapsync.GUID, parent ldapsync.DN) error {
	return w.Dir.Move(id, parent)
}
func (w sourceWorld) Rename(_ context.Context, id ldapsync.GUID, name string) error {
	return w.Dir.Rename(id, name)
}
func (w sourceWorld) Delete(_ context.Context, id ldapsync.GUID) error { return w.Dir.Delete(id) }
func (w sourceWorld) Get(_ context.Context, id ldapsync.GUID) (ldapsync.Object, error) {
	if o, ok := w.Object(id); ok {
		return o, nil
	}
	return ldapsync.Object{}, ldapsync.ErrNotFound
}
func (w sourceWorld) List(_ context.Context, parent ldapsync.DN) ([]ldapsync.Object, error) {
	return slices.DeleteFunc(w.Objects(), func(o ldapsync.Object) bool { return !o.DN.IsChildOf(parent) }), nil
}

// tenantWorld is world for a suite that wants organisational units, of which Entra ID has none: all are the tenant.
type tenantWorld struct{ world }

func (w tenantWorld) AddOU(context.Context, ldapsync.DN, string) (ldapsync.Container, error) {
	return ldapsync.Container{}, nil
}

// names are the properties that stand for the attributes of the suite. displayName cannot be cleared in Entra ID.
var hazardNames = map[string]string{"displayName": "companyName", "title": "jobTitle", "otherTelephone": "otherMails", "employeeID": "employeeId"}

// TestHazards: the engine with Entra ID as its target stays harmless in every accident of the suite.
func TestHazards(t *testing.T) {
	skip := map[string]string{}
	for _, c := range hazardtest.Cases() {
		if strings.HasPrefix(c.Name, "device") || strings.HasPrefix(c.Name, "certificate") || strings.HasPrefix(c.Name, "clock") {
			skip[c.Name] = "it is about devices that the engine creates; here registration does"
		}
	}
	hazardtest.Run(t, func(t *testing.T) *hazardtest.Fixture {
		ad := memdir.New(memdir.Config{Seed: 5})
		base, err := ad.AddOU("OU=Hazards,DC=ashdown,DC=example")
		require.NoError(t, err)
		server := entratest.New(entratest.Config{PageSize: 10, ShuffleBatch: true})
		return &hazardtest.Fixture{
			Source: ad, SourceWorld: sourceWorld{ad}, SourceBase: base,
			Target: target(t, server.Transport(), func(c *entra.Config) { c.UserName = "displayName" }), TargetWorld: tenantWorld{world{server, hazardNames}},
			Adjust: func(s *ldapsync.Syncer) {
				for i, tr := range s.Organisation.Tracks {
					if tr.Class == ldapsync.Device {
						tr.Mapping = ldapsync.Mapping{ldapsync.Constant("extensionAttribute1", "x")}
					}
					tr.Mapping = slices.Clone(tr.Mapping)
					for k, r := range tr.Mapping {
						if to, ok := hazardNames[r.To]; ok {
							tr.Mapping[k].To = to
						}
					}
					s.Organisation.Tracks[i] = entra.AsTrack(tr)
				}
			},
		}
	}, skip)
}
