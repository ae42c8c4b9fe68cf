package entratest

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A BudgetKind is what a budget counts.
type BudgetKind uint8

const (
	Writes        BudgetKind = iota // requests for which [Request.IsWrite] holds, items of a $batch singly
	ResourceUnits                   // the cost of requests: a read 1 or 2, a write 1
	Uploads                         // calls of bulkUpload
)

// A Budget is a limit of requests in any span of Window, counted as they are admitted. A request beyond it is 429 with a
// Retry-After in seconds and milliseconds that is exactly right for one request; what it refuses, it does not count.
type Budget struct {
	Scope  string // put into x-ms-throttle-scope; "" is the scope of one application in one tenant
	Kind   BudgetKind
	Limit  int
	Window time.Duration
}

// WriteBudget is the limit of writes to directory objects of one application in one tenant: 3,000 in 150 seconds
// (Microsoft Graph service-specific throttling limits, identity and access).
func WriteBudget() Budget {
	return Budget{Kind: Writes, Limit: 3000, Window: 150 * time.Second}
}

// UnitBudget is the limit of resource units of one application in one large tenant: 8,000 in 10 seconds
// (Microsoft Graph service-specific throttling limits, identity and access).
func UnitBudget() Budget {
	return Budget{Kind: ResourceUnits, Limit: 8000, Window: 10 * time.Second}
}

// UploadBudget is the limit of bulkUpload: 40 requests in a second (synchronizationJob: bulkUpload).
func UploadBudget() Budget {
	return Budget{Kind: Uploads, Limit: 40, Window: time.Second}
}

const budgetFault = "budget"

// A budget is a Budget with what was spent of it.
type budget struct {
	Budget
	spent []spending // oldest first
	sum   int
}

type spending struct {
	at   time.Time
	cost int
}

// cost is what a call takes from a budget; 0 if it does not count.
func (b *budget) cost(c *call) int {
	switch b.Kind {
	case Writes:
		if c.IsWrite() {
			return 1
		}
	case Uploads:
		if c.isUpload() {
			return 1
		}
	case ResourceUnits:
		if c.Path != "/$batch" {
			return c.units()
		}
	}
	return 0
}

// units is the cost of a request: reading users costs 2, 1 with $select, one less with a small $top and one more with
// $expand, and never less than 1; writes cost 1.
func (r *Request) units() int {
	if r.IsWrite() {
		return 1
	}
	n := 2
	if r.Query.Has("$select") {
		n--
	}
	if top, err := strconv.Atoi(r.Query.Get("$top")); err == nil && top < 20 {
		n--
	}
	if r.Query.Has("$expand") {
		n++
	}
	return max(n, 1)
}

// throttle refuses a call that is beyond a budget and counts it otherwise. The lock is held.
func (s *Server) throttle(c *call) *answer {
	now := s.clock()
	for _, b := range s.budgets {
		cost := b.cost(c)
		if cost == 0 {
			continue
		}
		b.expire(now)
		if b.sum+cost > b.Limit {
			c.Fault = budgetFault
			return b.refuse(now, cost)
		}
	}
	for _, b := range s.budgets {
		if cost := b.cost(c); cost > 0 {
			b.expire(now)
			b.spent = append(b.spent, spending{at: now, cost: cost})
			b.sum += cost
		}
	}
	return nil
}

// expire forgets what was spent a whole window ago.
func (b *budget) expire(now time.Time) {
	n := 0
	for n < len(b.spent) && now.Sub(b.spent[n].at) >= b.Window {
		b.sum -= b.spent[n].cost
		n++
	}
	b.spent = slices.Delete(b.spent, 0, n)
}

func (b *budget) refuse(now time.Time, cost int) *answer {
	wait, over := b.Window, b.sum+cost-b.Limit
	for _, s := range b.spent {
		if over -= s.cost; over <= 0 {
			wait = b.Window - now.Sub(s.at)
			break
		}
	}
	a := fail(http.StatusTooManyRequests, codeTooMany, "Please retry again later.")
	a.header.Set("Retry-After", seconds(wait))
	b.annotate(a, true)
	return a
}

// seconds writes a duration as Retry-After does, rounded up to milliseconds.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(math.Ceil(d.Seconds()*1000)/1000, 'f', -1, 64)
}

// charge tells the client in the headers of an answer what it cost and how near it is to a limit.
func (s *Server) charge(c *call, a *answer) {
	for _, b := range s.budgets {
		if b.cost(c) > 0 && a.header == nil {
			a.header = http.Header{}
		}
		if b.Kind == ResourceUnits && b.cost(c) > 0 {
			a.header.Set("X-Ms-Resource-Unit", strconv.Itoa(b.cost(c)))
		}
		if b.cost(c) > 0 && b.Limit > 0 && float64(b.sum) >= 0.8*float64(b.Limit) {
			b.annotate(a, false)
		}
	}
}

// annotate sets the x-ms-throttle headers.
func (b *budget) annotate(a *answer, refused bool) {
	share := 1.0
	if b.Limit > 0 {
		share = float64(b.sum) / float64(b.Limit)
	}
	a.header.Set("X-Ms-Throttle-Limit-Percentage", strconv.FormatFloat(share, 'f', 2, 64))
	if !refused {
		return
	}
	scope, info := b.Scope, "WriteLimitExceeded"
	if scope == "" {
		scope = "Tenant_Application/Write"
	}
	if b.Kind == ResourceUnits {
		info = "ResourceUnitLimitExceeded"
	}
	a.header.Set("X-Ms-Throttle-Scope", scope)
	a.header.Set("X-Ms-Throttle-Information", info)
}
