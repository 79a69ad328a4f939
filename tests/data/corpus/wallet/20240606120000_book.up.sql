create function book(p_source bigint, p_target bigint, p_amount numeric) returns bigint language plpgsql as $$
declare new_id bigint;
begin
    update accounts set balance = balance - p_amount where id = p_source;
    update accounts set balance = balance + p_amount where id = p_target;
    insert into transfers (source, target, amount, booked) values (p_source, p_target, p_amount, current_date) returning id into new_id;
    return new_id;
end $$;
select book(1, 2, 0.5), book(2, 3, 0.25);
