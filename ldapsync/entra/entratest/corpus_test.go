package entratest

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tables are checked against the schema fragments of Graph's metadata documents where a checkout has them.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: there are no schema fragments to compare with")
	}
	return filepath.Join(dir, "graph")
}

// A csdlType is a type of a metadata document.
type csdlType struct {
	Name       string `xml:"Name,attr"`
	Properties []struct {
		Name     string `xml:"Name,attr"`
		Type     string `xml:"Type,attr"`
		Nullable string `xml:"Nullable,attr"`
	} `xml:"Property"`
	Navigation []struct {
		Name string `xml:"Name,attr"`
	} `xml:"NavigationProperty"`
}

func readCSDL(t *testing.T, file string) (types map[string]csdlType, enums map[string]bool) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var doc struct {
		Schemas []struct {
			Entities []csdlType `xml:"EntityType"`
			Complex  []csdlType `xml:"ComplexType"`
			Enums    []csdlType `xml:"EnumType"`
		} `xml:"DataServices>Schema"`
	}
	require.NoError(t, xml.Unmarshal(b, &doc))
	types, enums = map[string]csdlType{}, map[string]bool{}
	for _, s := range doc.Schemas {
		for _, e := range append(s.Entities, s.Complex...) {
			types[e.Name] = e
		}
		for _, e := range s.Enums {
			enums["graph."+e.Name] = true
		}
	}
	return types, enums
}

// edmOf is the row's type for a type of a metadata document.
func edmOf(csdl string, enums map[string]bool) edmType {
	switch csdl {
	case "Edm.String":
		return edmString
	case "Edm.Boolean":
		return edmBool
	case "Edm.Int32":
		return edmInt32
	case "Edm.Int64":
		return edmInt64
	case "Edm.DateTimeOffset":
		return edmTime
	case "Edm.Binary":
		return edmBinary
	case "Collection(Edm.String)":
		return edmStrings
	}
	if enums[csdl] {
		return edmString
	}
	if strings.HasPrefix(csdl, "Collection(") {
		return edmObjects
	}
	return edmObject
}

func TestCorpusSchema(t *testing.T) {
	types, enums := readCSDL(t, filepath.Join(corpus(t), "v1.0-csdl-fragment.xml"))
	inherited := []string{"id", "deletedDateTime"} // of entity and directoryObject
	for _, r := range []*resource{&userType, &deviceType, &extensionType, &managedDeviceType, &configurationType} {
		want, ok := types[r.odata]
		require.True(t, ok, r.odata)
		known := map[string]bool{}
		for _, p := range want.Properties {
			known[p.Name] = true
			row, ok := r.property(p.Name, "v1.0")
			if !ok {
				t.Errorf("%s.%s: not in the table", r.odata, p.Name)
				continue
			}
			if typ := edmOf(p.Type, enums); typ != row.typ {
				t.Errorf("%s.%s: is %s, table has %s", r.odata, p.Name, p.Type, edmNames[row.typ])
			}
			if row.object != "" && !strings.Contains(p.Type, "graph."+row.object) {
				t.Errorf("%s.%s: is %s, table has %s", r.odata, p.Name, p.Type, row.object)
			}
		}
		for name, row := range r.properties {
			if !known[name] && !slices.Contains(inherited, name) && !row.is(betaOnly|v1Undoc) {
				t.Errorf("%s.%s: in the table only", r.odata, name)
			}
			if known[name] && row.is(betaOnly|v1Undoc) {
				t.Errorf("%s.%s: is in v1.0", r.odata, name)
			}
		}
		if r == &extensionType || r == &managedDeviceType {
			continue
		}
		for _, n := range want.Navigation {
			if !slices.Contains(r.navigation, n.Name) {
				t.Errorf("%s/%s: navigation property not in the table", r.odata, n.Name)
			}
		}
	}
	for name, members := range complexTypes {
		want, ok := types[name]
		require.True(t, ok, name)
		require.Len(t, members, len(want.Properties), name)
		for _, p := range want.Properties {
			require.Equal(t, edmOf(p.Type, enums), members[p.Name].typ, "%s.%s", name, p.Name)
		}
	}
}

// rows reads a table of the corpus: tab-separated, with a line of column names after the comments.
func rows(t *testing.T, file string) []map[string]string {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var columns []string
	var out []map[string]string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		fields := strings.Split(sc.Text(), "\t")
		if columns == nil {
			columns = fields
			continue
		}
		row := map[string]string{}
		for i, c := range columns {
			if i < len(fields) {
				row[c] = fields[i]
			}
		}
		out = append(out, row)
	}
	return out
}

func TestCorpusReadOnly(t *testing.T) {
	dir := corpus(t)
	for _, row := range rows(t, filepath.Join(dir, "properties-v1.0.tsv")) {
		r := map[string]*resource{"user": &userType, "device": &deviceType}[row["type"]]
		if r == nil || row["readonly_in_doc"] != "read-only" {
			continue
		}
		p, ok := r.property(row["property"], "v1.0")
		if !ok {
			continue // a relation: TestCorpusSchema checks that the properties are complete
		}
		if !p.is(readOnly | mdmOnly) {
			t.Errorf("%s.%s: documented as read-only, written by the table", row["type"], row["property"])
		}
	}
	beta := map[string]bool{}
	for _, row := range rows(t, filepath.Join(dir, "properties-beta.tsv")) {
		beta[row["type"]+"."+row["property"]] = true
	}
	for _, r := range []*resource{&userType, &deviceType, &managedDeviceType, &configurationType} {
		for name, p := range r.properties {
			if p.is(betaOnly|v1Undoc) && !beta[r.odata+"."+name] {
				t.Errorf("%s.%s: not in beta either", r.odata, name)
			}
		}
	}
}

func TestCorpusFilter(t *testing.T) {
	columns := map[string]int{"eq": opEq, "ne": opNe, "not": opNot, "ge": opGe, "le": opLe, "in": opIn, "startsWith": opStarts, "null": opNull}
	unknown := []string{"signInActivity"} // a complex value, filtered by its members
	seen := map[string]bool{}
	for _, row := range rows(t, filepath.Join(corpus(t), "filter-support-user.tsv")) {
		name := row["property"]
		seen[name] = true
		have, ok := userFilter[name]
		if !ok {
			require.Contains(t, unknown, name)
			continue
		}
		require.Len(t, have, 9, name)
		for column, i := range columns {
			want := row[column]
			if want == "" {
				continue // not listed: the reference of the type may still have it
			}
			require.Equal(t, want, string(have[i]), "%s %s", name, column)
		}
	}
	for name := range userFilter {
		require.True(t, seen[name], "%s is not in the table of the page", name)
	}
}

// TestCorpusPayloads checks that the documented answers are made of properties the tables know.
func TestCorpusPayloads(t *testing.T) {
	dir := filepath.Join(corpus(t), "examples")
	for file, r := range map[string]*resource{
		"v1.0-user-delta-page.json": &userType, "v1.0-user-delta-final-page.json": &userType, "v1.0-user-delta-changes-removed.json": &userType,
		"v1.0-user-list-extattrs.json": &userType, "v1.0-user-patch-extattrs-request.json": &userType,
		"v1.0-device-get.json": &deviceType, "v1.0-device-get-newer.json": &deviceType, "device-get-extensionAttributes.json": &deviceType,
		"v1.0-device-patch-extensionAttributes-request.json": &deviceType, "v1.0-extensionproperty-create-response-newer.json": &extensionType,
		"v1.0-manageddevice-get.json": &managedDeviceType,
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		var body map[string]any
		require.NoError(t, json.Unmarshal(b, &body), file)
		objects := []any{body}
		switch v := body["value"].(type) {
		case []any:
			objects = v
		case map[string]any:
			objects = []any{v}
		}
		for _, o := range objects {
			for _, name := range slices.Sorted(maps.Keys(o.(map[string]any))) {
				v := o.(map[string]any)[name]
				if strings.Contains(name, "@") || slices.Contains(r.navigation, name) || v == nil {
					continue
				}
				p, ok := r.property(name, "v1.0")
				if !ok && r == &managedDeviceType {
					continue // a page of 2021: some of its properties have since been removed
				}
				require.True(t, ok, "%s: %s", file, name)
				if r != &managedDeviceType {
					n, err := normal(Object{"v": v})
					require.NoError(t, err)
					require.Nil(t, checkValue(r.name, name, p, n["v"]), "%s: %s", file, name)
				}
			}
		}
	}

	s := New(Config{})
	s.AddUser(Object{"id": "161ab652-cdbc-490d-82a4-0ada1f0db247"})
	for file, want := range map[string]string{"error-400-count-without-consistencylevel.json": "/v1.0/users?$count=true"} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		var doc struct {
			Error struct{ Code, Message string }
		}
		require.NoError(t, json.Unmarshal(b, &doc))
		a := s.serve(testCall(t, s, "GET", want, ""))
		require.Equal(t, doc.Error.Message, a.message())
	}
	for file, path := range map[string]string{
		"v1.0-user-patch-extattrs-request.json": "/v1.0/users/161ab652-cdbc-490d-82a4-0ada1f0db247", "batch-request.json": "/v1.0/$batch",
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		method := map[bool]string{true: "POST", false: "PATCH"}[strings.HasSuffix(path, "batch")]
		a := s.serve(testCall(t, s, method, path, string(b)))
		require.Less(t, a.status, 300, "%s: %s", file, a.message())
	}
	s.AddProvisioningJob(ProvisioningJob{ServicePrincipal: "sp", ID: "job"})
	b, err := os.ReadFile(filepath.Join(dir, "v1.0-bulkUpload-request-scim.json"))
	require.NoError(t, err)
	c := testCall(t, s, "POST", "/v1.0/servicePrincipals/sp/synchronization/jobs/job/bulkUpload", string(b))
	c.Header.Set("Content-Type", "application/scim+json")
	require.Equal(t, 202, s.serve(c).status)
	require.Len(t, s.Users(), 2)
}
