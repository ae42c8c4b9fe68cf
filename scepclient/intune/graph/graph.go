// Package graph reads the SCEP and trusted root profiles of a tenant from Microsoft Graph, over any kiota request adapter.
//
//	reader := &graph.Reader{Adapter: adapter}
//	docs, err := reader.Documents(ctx)
//	…
//	findings := intune.Lint(docs, intune.Estate{})
//
// It always asks beta: the types of these profiles exist there only, and v1.0 returns them without their properties. The
// answers are decoded as raw JSON by package intune, which keeps what it does not know. The package imports kiota only, never the
// Graph SDK, whose models take minutes to compile. Build the adapter with msgraph-sdk-go-core or kiota-http-go, or take the
// one of a GraphServiceClient. Retries are the Reader's: the adapter's own, which cut Retry-After to whole seconds, are off
// for its requests.
//
// It only reads. Permission: DeviceManagementConfiguration.Read.All.
package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"go.internal/hybridkit/scepclient/intune"
)

// A Reader reads from one tenant. Its methods may be called concurrently if the adapter's may, which kiota's are.
type Reader struct {
	// Adapter sends the requests. Its base URL must be set, such as https://graph.microsoft.com/v1.0; beta is asked on the
	// same host.
	Adapter abstractions.RequestAdapter
	// PageSize is the number of profiles in a page; 0 leaves it to Graph.
	PageSize int32
	// MaxTries is how often a request is sent in all when Graph answers 429, 502, 503 or 504; 0 is 6, 1 never repeats. The
	// wait is what Retry-After says, exactly, or 1, 2, 4 … seconds.
	MaxTries int
	// SkipRoots leaves out which trusted root each SCEP profile is bound to. It costs one request for each profile, as a
	// list cannot be expanded by it.
	SkipRoots bool
}

// Errors of a [Reader].
var (
	ErrNoAdapter = errors.New("intune/graph: Reader.Adapter is nil")
	ErrNotFound  = errors.New("intune/graph: no such profile")
	ErrNextLink  = errors.New("intune/graph: the next page is on another host: not followed, since the token would go there")
	ErrNoAnswer  = errors.New("intune/graph: Graph answered without a body")
	ErrNoToken   = errors.New("intune/graph: the request went out without a token: the host is not among the allowed hosts of the adapter's token provider")
)

// Documents returns all SCEP and trusted root profiles with their assignments and, unless SkipRoots, the root each SCEP
// profile is bound to. Profiles of other kinds are in Other by their type.
func (r *Reader) Documents(ctx context.Context) (*intune.Documents, error) {
	query := map[string]any{"%24expand": []string{"assignments"}}
	if r.PageSize > 0 {
		query["%24top"] = r.PageSize
	}
	docs := new(intune.Documents)
	err := r.pages(ctx, "deviceConfigurations", "/deviceManagement/deviceConfigurations{?%24expand,%24top}", nil, query, func(page []byte) error {
		more, err := intune.Parse(bytes.NewReader(page))
		if err != nil {
			return err
		}
		docs.Append(more)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return docs, r.roots(ctx, docs)
}

// Profile returns one profile by its id, like [Reader.Documents]. The error is [ErrNotFound] if there is none.
func (r *Reader) Profile(ctx context.Context, id string) (*intune.Documents, error) {
	raw, err := r.get(ctx, "deviceConfiguration", "/deviceManagement/deviceConfigurations/{id}{?%24expand}",
		map[string]string{"id": id}, map[string]any{"%24expand": []string{"assignments"}})
	if err != nil {
		return nil, err
	}
	docs, err := intune.Parse(bytes.NewReader(raw))
	if err != nil {
		return nil, &Error{Operation: "deviceConfiguration", Err: err}
	}
	return docs, r.roots(ctx, docs)
}

// Assignments returns what a profile of any kind is assigned to.
func (r *Reader) Assignments(ctx context.Context, id string) ([]intune.Assignment, error) {
	var all []intune.Assignment
	err := r.pages(ctx, "assignments", "/deviceManagement/deviceConfigurations/{id}/assignments", map[string]string{"id": id}, nil, func(page []byte) error {
		var p struct {
			Value []intune.Assignment `json:"value"`
		}
		err := json.Unmarshal(page, &p)
		all = append(all, p.Value...)
		return err
	})
	return all, err
}

// roots asks for the trusted root of every SCEP profile that does not name it. A profile that is bound to none stays so.
func (r *Reader) roots(ctx context.Context, docs *intune.Documents) error {
	if r.SkipRoots {
		return nil
	}
	for _, p := range docs.SCEP {
		cast := strings.TrimPrefix(p.ODataType, "#")
		if p.RootID() != "" || p.ID == "" || cast == "" {
			continue
		}
		raw, err := r.get(ctx, "rootCertificate", "/deviceManagement/deviceConfigurations/{id}/{type}/rootCertificate",
			map[string]string{"id": p.ID, "type": cast}, map[string]any{})
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoAnswer) {
			continue
		}
		if err != nil {
			return err
		}
		var root intune.RootRef
		if err := json.Unmarshal(raw, &root); err != nil {
			return &Error{Operation: "rootCertificate", Err: err}
		}
		p.RootCertificate = &root
	}
	return nil
}

// base returns the URL of beta on the adapter's host.
func (r *Reader) base() string {
	base := strings.TrimSuffix(r.Adapter.GetBaseUrl(), "/")
	if prefix, ok := strings.CutSuffix(base, "/v1.0"); ok {
		return prefix + "/beta"
	}
	return base
}

func (r *Reader) get(ctx context.Context, operation, template string, path map[string]string, query map[string]any) ([]byte, error) {
	if r.Adapter == nil {
		return nil, ErrNoAdapter
	}
	params := map[string]string{"hybridkitbase": r.base()} // the adapter sets baseurl itself, and always to its own version
	for name, value := range path {
		params[name] = value
	}
	ri := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(abstractions.GET, "{+hybridkitbase}"+template, params)
	for name, value := range query {
		ri.QueryParametersAny[name] = value
	}
	return r.send(ctx, operation, ri)
}

// maxEmpty is how many pages in a row may be empty; Graph promises nothing, but a list has to end.
const maxEmpty = 100

// pages hands over the pages of a list one by one.
func (r *Reader) pages(ctx context.Context, operation, template string, path map[string]string, query map[string]any, use func([]byte) error) error {
	raw, err := r.get(ctx, operation, template, path, query)
	seen := map[string]bool{} // a link that comes again would never end
	for empty := 0; err == nil; {
		var page struct {
			Value []struct{} `json:"value"`
			Next  string     `json:"@odata.nextLink"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return &Error{Operation: operation, StatusCode: http.StatusOK, Err: err}
		}
		if page.Value == nil {
			return &Error{Operation: operation, StatusCode: http.StatusOK, Err: errors.New("the answer has no value: it is no list")}
		}
		if err := use(raw); err != nil {
			return &Error{Operation: operation, Err: err}
		}
		if empty++; len(page.Value) > 0 {
			empty = 0
		}
		switch {
		case page.Next == "":
			return nil
		case seen[page.Next]:
			return &Error{Operation: operation, Err: errors.New("the next page is one that was read already")}
		case empty > maxEmpty:
			return &Error{Operation: operation, Err: fmt.Errorf("%d pages in a row were empty", empty)}
		}
		seen[page.Next] = true
		raw, err = r.follow(ctx, operation, page.Next)
	}
	return err
}

// follow reads a next page from the host the first came from.
func (r *Reader) follow(ctx context.Context, operation, link string) ([]byte, error) {
	next, err := url.Parse(link)
	if err != nil {
		return nil, &Error{Operation: operation, Err: fmt.Errorf("next page: %w", err)}
	}
	base, err := url.Parse(r.base())
	if err != nil {
		return nil, &Error{Operation: operation, Err: err}
	}
	if next.Scheme != base.Scheme || !strings.EqualFold(next.Host, base.Host) || next.User != nil {
		return nil, &Error{Operation: operation, Err: ErrNextLink}
	}
	ri := abstractions.NewRequestInformation()
	ri.Method = abstractions.GET
	ri.SetUri(*next)
	return r.send(ctx, operation, ri)
}
