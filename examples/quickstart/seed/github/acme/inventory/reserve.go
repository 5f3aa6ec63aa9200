package inventory

import "fmt"

// Reserve takes quantity pieces of sku out of the stock, or says how many are missing.
func (s *Stock) Reserve(sku string, quantity int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.pieces[sku]; have < quantity {
		return fmt.Errorf("%s: %d missing", sku, quantity-have)
	}
	s.pieces[sku] -= quantity
	return nil
}
