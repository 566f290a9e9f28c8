package assent

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tenths of a token: a call earns one, an extra attempt costs ten.
	attemptCost   = 10
	smallestBurst = 16
	largestBurst  = 1024
)

// budget bounds extra attempts to a tenth of the calls, and a burst that covers the calls in flight: a stopped replica holds
// as many calls as there are in flight, each of which needs one attempt more. A token a second lets a client of few
// calls try again.
type budget struct {
	tokens   atomic.Int64
	inFlight atomic.Int64
	peak     atomic.Int64

	mu       sync.Mutex
	refilled time.Time
}

func newBudget() *budget {
	b := &budget{refilled: time.Now()}
	b.peak.Store(smallestBurst)
	b.tokens.Store(smallestBurst * attemptCost)
	return b
}

// begin counts a call. More calls in flight than ever before raise the burst.
func (b *budget) begin() {
	n := b.inFlight.Add(1)
	peak := b.peak.Load()
	if n > peak && n <= largestBurst {
		if b.peak.CompareAndSwap(peak, n) {
			b.tokens.Add((n - peak) * attemptCost)
		}
		return
	}
	if b.tokens.Load() < peak*attemptCost {
		b.tokens.Add(1)
	}
}

func (b *budget) end() { b.inFlight.Add(-1) }

// take spends the token of one extra attempt.
func (b *budget) take() bool {
	b.mu.Lock()
	if seconds := int64(time.Since(b.refilled) / time.Second); seconds > 0 {
		b.refilled = b.refilled.Add(time.Duration(seconds) * time.Second)
		missing := b.peak.Load()*attemptCost - b.tokens.Load()
		b.tokens.Add(max(0, min(seconds*attemptCost, missing)))
	}
	b.mu.Unlock()
	for {
		t := b.tokens.Load()
		if t < attemptCost {
			return false
		}
		if b.tokens.CompareAndSwap(t, t-attemptCost) {
			return true
		}
	}
}
