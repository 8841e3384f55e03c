"""What do we know about them? Attributes are calculated from the events of each entity and kept in its profile.

`plan` gathers what all attributes of a kind need, `attribute_types` says how each type is calculated, `query` makes one
statement of it, `profiles` is the stage, `validate` finds mistakes in a project without a warehouse.
"""
