package inventory

import "sync"

// Stock is what a warehouse holds. TODO: persist it.
type Stock struct {
	mu     sync.Mutex
	pieces map[string]int
}
