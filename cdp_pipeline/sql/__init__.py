"""How SQL is written: statements are loaded from files, checked, bound as trees and rendered for an engine."""
